//! A plug-in that starts `/bin/sh` itself: the pipes are real, the users are not.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use auth::Ticket;
use server::BoxFuture;
use server::plugin::{
    CommandControl, CommandSignal, OpenShell, Running, ShellInstance, ShellPlugin, StartCommand,
};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use wsman::fault::{ErrorCode, Fault};
use wsman::ns::resource;

/// Counts what it does, so that a test can say that nothing was done.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    opened: AtomicUsize,
    tickets: Mutex<Vec<Option<Arc<Ticket>>>>,
    memory: Mutex<Vec<Option<u64>>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    started: AtomicUsize,
    closed: AtomicUsize,
    /// Tells every shell that its processes are gone.
    gone: Notify,
}

impl Pipes {
    /// Shells that were opened.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// The tickets of the shells that were opened.
    pub(crate) fn tickets(&self) -> Vec<Option<Arc<Ticket>>> {
        self.tickets.lock().unwrap().clone()
    }

    /// The memory that the shells may have that were opened.
    pub(crate) fn memory(&self) -> Vec<Option<u64>> {
        self.memory.lock().unwrap().clone()
    }

    /// Commands that were started.
    pub(crate) fn started(&self) -> usize {
        self.counts.started.load(Ordering::SeqCst)
    }

    /// Shells that were closed.
    pub(crate) fn closed(&self) -> usize {
        self.counts.closed.load(Ordering::SeqCst)
    }

    /// Lets every shell lose its processes.
    pub(crate) fn lose_hosts(&self) {
        self.counts.gone.notify_waiters();
    }
}

impl ShellPlugin for Pipes {
    fn resource_uri(&self) -> &str {
        resource::CMD
    }

    fn open(&self, open: OpenShell) -> BoxFuture<'_, Result<Arc<dyn ShellInstance>, Box<Fault>>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.tickets.lock().unwrap().push(open.ticket.clone());
        self.memory.lock().unwrap().push(open.memory);
        let counts = Arc::clone(&self.counts);
        let shell = PipeShell { open, counts, groups: Mutex::default() };
        Box::pin(async move { Ok(Arc::new(shell) as Arc<dyn ShellInstance>) })
    }
}

#[derive(Debug)]
struct PipeShell {
    open: OpenShell,
    counts: Arc<Counts>,
    groups: Mutex<Vec<u32>>,
}

impl ShellInstance for PipeShell {
    fn start(&self, start: StartCommand) -> BoxFuture<'_, Result<Running, Box<Fault>>> {
        Box::pin(async move {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(start.line()).process_group(0);
            if let Some(directory) = &self.open.directory {
                command.current_dir(directory);
            }
            command.envs(self.open.environment.iter().cloned());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let missing = |_| Box::new(Fault::new(ErrorCode(0x8007_0002), "no such file"));
            let mut child = command.spawn().map_err(missing)?;
            self.counts.started.fetch_add(1, Ordering::SeqCst);
            let group = child.id().unwrap();
            self.groups.lock().unwrap().push(group);
            Ok(Running {
                stdin: Box::new(child.stdin.take().unwrap()),
                stdout: Box::new(child.stdout.take().unwrap()),
                stderr: Box::new(child.stderr.take().unwrap()),
                control: Box::new(Control { child, group }),
            })
        })
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.counts.gone.notified())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        for group in self.groups.lock().unwrap().drain(..) {
            kill("KILL", group);
        }
        self.counts.closed.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {})
    }
}

#[derive(Debug)]
struct Control {
    child: Child,
    group: u32,
}

impl CommandControl for Control {
    fn signal(&mut self, signal: CommandSignal) {
        let name = match signal {
            CommandSignal::Interrupt => "INT",
            CommandSignal::Terminate => "KILL",
        };
        kill(name, self.group);
    }

    fn wait(&mut self) -> BoxFuture<'_, u32> {
        Box::pin(async {
            let status = self.child.wait().await.unwrap();
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
            code.unwrap().cast_unsigned()
        })
    }
}

fn kill(signal: &str, group: u32) {
    let line = format!("kill -{signal} -{group} 2>/dev/null");
    drop(std::process::Command::new("/bin/sh").args(["-c", &line]).status());
}
