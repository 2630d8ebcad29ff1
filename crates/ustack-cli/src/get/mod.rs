mod http;
mod url;
