mod args;
mod netlink;
