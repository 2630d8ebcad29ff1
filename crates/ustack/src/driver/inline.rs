//! Applications inline: a future that the calling thread runs between the stack's receive and its transmit.
//!
//! The caller takes the driver's place. There is no hop between threads: a request is read from the device, answered by
//! the application, and the answer goes out with the acknowledgement, in one turn. Waking an inline task from the
//! driving thread costs a queue entry; from another thread, at most one system call.
//!
//! If another caller drives the stack already, the future runs as in any other executor, and that caller drives for it.

use super::{Claim, Driver, Role};
use crate::lock::lock;
use crate::net::wait::ThisThread;
use crate::shared::Shared;
use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;

/// Passes over the tasks that are ready before the driver has its turn again.
const PASSES: usize = 8;
/// The future given to `run`; all others have larger numbers.
const MAIN: u64 = 0;

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Spawned = Rc<RefCell<Vec<Task>>>;

thread_local! {
    static CURRENT: RefCell<Option<Spawned>> = const { RefCell::new(None) };
}

/// Nothing runs inline on this thread that a task could run beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no stack runs inline on this thread; call spawn_inline from a future that Stack::run_inline runs")]
pub struct NotInline;

/// Runs `future` beside the one that [`Stack::run_inline`](crate::Stack::run_inline) runs on this thread, until it ends or that one does.
///
/// # Errors
/// This thread runs nothing inline.
pub fn spawn_inline(future: impl Future<Output = ()> + 'static) -> Result<(), NotInline> {
    CURRENT.with_borrow(|current| {
        let spawned = current.as_ref().ok_or(NotInline)?;
        spawned.borrow_mut().push(Box::pin(future));
        Ok(())
    })
}

/// Runs `future` to its end on this thread, driving the stack unless somebody else has taken that over.
pub(crate) fn run<F: Future>(shared: &Shared, future: F) -> F::Output {
    let main = pin!(future);
    match Claim::of_inline(shared) {
        Some(_claim) => run_driving(shared, &mut lock(&shared.driver), main),
        None => run_as_guest(main),
    }
}

fn run_driving<F: Future>(shared: &Shared, driver: &mut Driver, mut main: Pin<&mut F>) -> F::Output {
    let mut executor = Executor::new(shared.waker.clone());
    let mut output = None;
    loop {
        let mut run = || output = executor.run_ready(main.as_mut());
        let busy = driver.turn(shared, Role::Inline(&mut run));
        if let Some(output) = output.take() {
            return output;
        }
        if !busy && !executor.has_ready() {
            driver.sleep(shared, None, || executor.has_ready());
        }
    }
}

fn run_as_guest<F: Future>(mut main: Pin<&mut F>) -> F::Output {
    let here = ThisThread::new();
    let mut executor = Executor::new(here.waker.clone());
    loop {
        if let Some(output) = executor.run_ready(main.as_mut()) {
            return output;
        }
        if !executor.has_ready() {
            here.wait(None);
        }
    }
}

/// Tasks of one thread, and which of them are to be polled.
struct Executor {
    queue: Arc<Queue>,
    main: Arc<TaskWaker>,
    tasks: HashMap<u64, (Task, Arc<TaskWaker>)>,
    next: u64,
    spawned: Spawned,
    outer: Option<Spawned>,
}

struct Queue {
    ready: Mutex<Vec<u64>>,
    thread: ThreadId,
    /// Wakes the executor's thread.
    call: Waker,
}

struct TaskWaker {
    task: u64,
    queued: AtomicBool,
    queue: Arc<Queue>,
}

impl Executor {
    fn new(call: Waker) -> Self {
        let thread = std::thread::current().id();
        let queue = Arc::new(Queue { ready: Mutex::default(), thread, call });
        let spawned = Spawned::default();
        let outer = CURRENT.replace(Some(Rc::clone(&spawned)));
        let main = TaskWaker::queued(MAIN, &queue);
        Self { queue, main, tasks: HashMap::new(), next: MAIN + 1, spawned, outer }
    }

    fn has_ready(&self) -> bool {
        !lock(&self.queue.ready).is_empty()
    }

    /// Polls what is ready, and what that makes ready; the output if the main future has ended.
    fn run_ready<F: Future>(&mut self, mut main: Pin<&mut F>) -> Option<F::Output> {
        for _ in 0..PASSES {
            let ready = std::mem::take(&mut *lock(&self.queue.ready));
            if ready.is_empty() {
                break;
            }
            for task in ready {
                if task != MAIN {
                    self.poll(task);
                } else if let Poll::Ready(output) = poll(&self.main, main.as_mut()) {
                    return Some(output);
                }
            }
            self.adopt_spawned();
        }
        None
    }

    fn poll(&mut self, task: u64) {
        let Some((future, waker)) = self.tasks.get_mut(&task) else { return };
        if poll(waker, future.as_mut()).is_ready() {
            self.tasks.remove(&task);
        }
    }

    fn adopt_spawned(&mut self) {
        for task in self.spawned.take() {
            self.tasks.insert(self.next, (task, TaskWaker::queued(self.next, &self.queue)));
            self.next += 1;
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        CURRENT.set(self.outer.take());
    }
}

fn poll<F: Future + ?Sized>(waker: &Arc<TaskWaker>, future: Pin<&mut F>) -> Poll<F::Output> {
    waker.queued.store(false, Ordering::Release);
    future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(waker))))
}

impl TaskWaker {
    /// A waker whose task is to be polled a first time.
    fn queued(task: u64, queue: &Arc<Queue>) -> Arc<Self> {
        lock(&queue.ready).push(task);
        Arc::new(Self { task, queued: AtomicBool::new(true), queue: Arc::clone(queue) })
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        lock(&self.queue.ready).push(self.task);
        // The executor's own thread looks at the queue before it sleeps.
        if std::thread::current().id() != self.queue.thread {
            self.queue.call.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn block_on<F: Future>(future: F) -> F::Output {
        run_as_guest(pin!(future))
    }

    /// Pending so many times, woken at once by itself.
    async fn yields(times: usize) {
        for _ in 0..times {
            let mut first = true;
            std::future::poll_fn(|cx| {
                if std::mem::take(&mut first) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
        }
    }

    #[test]
    fn a_future_that_yields_more_often_than_a_turn_allows_ends() {
        assert_eq!(
            block_on(async {
                yields(1000).await;
                7
            }),
            7
        );
    }

    #[test]
    fn spawned_tasks_run_beside_the_main_future_and_end_with_it() {
        let count = Rc::new(Cell::new(0));
        block_on({
            let count = Rc::clone(&count);
            async move {
                for _ in 0..10 {
                    let count = Rc::clone(&count);
                    spawn_inline(async move {
                        yields(3).await;
                        count.set(count.get() + 1);
                        std::future::pending::<()>().await;
                    })
                    .unwrap();
                }
                yields(20).await;
            }
        });
        assert_eq!(count.get(), 10);
        assert_eq!(Rc::strong_count(&count), 1, "tasks are dropped with their executor");
    }

    #[test]
    fn a_wake_from_another_thread_reaches_the_task() {
        let (mut sent, flag) = (false, Arc::new(AtomicBool::new(false)));
        block_on(std::future::poll_fn(|cx| {
            if flag.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut sent, true) {
                let (flag, waker) = (Arc::clone(&flag), cx.waker().clone());
                std::thread::spawn(move || {
                    flag.store(true, Ordering::SeqCst);
                    waker.wake();
                });
            }
            Poll::Pending
        }));
    }

    #[test]
    fn outside_of_an_inline_run_nothing_can_be_spawned() {
        assert_eq!(spawn_inline(async {}), Err(NotInline));
    }
}
