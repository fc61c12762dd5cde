//! The program under test as a child process: started, watched over its output, signalled, and ended when dropped.
//!
//! It is ready when it has printed `ready`, after one `listening NAME MODE ADDRESS` line a listener.

use crate::{Origin, PATIENCE, Response, get};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, OnceLock},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How the proxy is to be started.
#[derive(Debug)]
pub struct Launch {
    before: Vec<String>,
    subcommand: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    listen: bool,
    admin: bool,
    workers: Option<usize>,
    dir: TempDir,
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    pid: Pid,
    listeners: Vec<(String, String, SocketAddr)>,
    /// Lines written to stderr.
    pub stderr: Lines,
    /// Lines written to stdout.
    pub stdout: Lines,
    dir: TempDir,
}

/// Lines that a thread collects from a pipe.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<(Mutex<Collected>, Condvar)>);

/// The lines, and whether the pipe has ended.
type Collected = (Vec<String>, bool);

impl Launch {
    /// A forward proxy on a port of its own that may reach loopback.
    pub fn forward() -> Launch {
        Launch::bare()
            .arg("--allow-to")
            .arg("127.0.0.0/8")
            .arg("--allow-to")
            .arg("::1/128")
    }

    /// A reverse proxy of this origin on a port of its own.
    pub fn reverse(origin: &Origin) -> Launch {
        Launch::bare()
            .arg("--to")
            .arg(format!("http://{}", origin.addr))
    }

    /// `understudy run` on ports of its own, nothing else said.
    pub fn bare() -> Launch {
        Launch {
            before: Vec::new(),
            subcommand: "run".into(),
            args: Vec::new(),
            env: Vec::new(),
            listen: true,
            admin: true,
            workers: Some(2),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Another subcommand, with nothing added to what the test says.
    pub fn command(subcommand: &str) -> Launch {
        let mut launch = Launch::bare();
        launch.subcommand = subcommand.into();
        (launch.listen, launch.admin, launch.workers) = (false, false, None);
        launch
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Launch {
        self.args.push(arg.into());
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Launch {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the number of workers (2 unless said).
    pub fn workers(mut self, n: usize) -> Launch {
        self.workers = Some(n);
        self
    }

    /// Runs it behind another command (`ip netns exec NAME`).
    pub fn behind(mut self, command: &[&str]) -> Launch {
        self.before = command.iter().map(|s| (*s).to_owned()).collect();
        self
    }

    /// Writes the configuration file. What it says of listeners, admin and workers is not given as flags too.
    pub fn config(mut self, text: &str) -> Launch {
        std::fs::write(self.config_path(), text).unwrap();
        self.listen &= !text.contains("[[listen]]");
        self.admin &= !text.contains("[admin]");
        if text.lines().any(|l| l.starts_with("workers")) {
            self.workers = None;
        }
        if !self.args.iter().any(|a| a == "--config") {
            let path = self.config_path().display().to_string();
            self = self.arg("--config").arg(path);
        }
        self
    }

    /// Where [`Launch::config`] writes.
    pub fn config_path(&self) -> PathBuf {
        self.dir.path().join("understudy.toml")
    }

    /// The launch's own directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn build(&self) -> Command {
        let mut words: Vec<&OsStr> = self.before.iter().map(OsStr::new).collect();
        words.push(binary().as_os_str());
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .arg(&self.subcommand)
            .args(&self.args);
        if self.listen && !self.args.iter().any(|a| a == "--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if self.admin && !self.args.iter().any(|a| a == "--admin") {
            command.args(["--admin", "127.0.0.1:0"]);
        }
        if let Some(n) = self.workers {
            command.args(["--workers", &n.to_string()]);
        }
        for (name, _) in
            std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("UNDERSTUDY_"))
        {
            command.env_remove(name);
        }
        command
            .envs(self.env.iter().map(|(n, v)| (n, v)))
            .env_remove("RUST_LOG")
            .current_dir(self.dir.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(self) -> Proxy {
        let mut child = self
            .build()
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", binary().display()));
        let (stderr, stdout) = (
            Lines::collect(child.stderr.take().unwrap()),
            Lines::collect(child.stdout.take().unwrap()),
        );
        let pid = Pid::from_child(&child);
        let mut proxy = Proxy {
            child,
            pid,
            listeners: Vec::new(),
            stderr,
            stdout,
            dir: self.dir,
        };
        if !proxy.stderr.wait(|line| line == "ready") {
            panic!("the proxy did not become ready:\n{}", proxy.stderr.text());
        }
        for line in proxy.stderr.all() {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["listening", name, mode, address] = words[..]
                && !address.starts_with("unix:")
            {
                let address = address
                    .parse()
                    .unwrap_or_else(|_| panic!("not an address in {line:?}"));
                proxy.listeners.push((name.into(), mode.into(), address));
            }
        }
        proxy
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> crate::Finished {
        crate::programs::run(&mut self.build())
    }
}

impl Proxy {
    /// The address of the first listener that is not the admin's.
    #[track_caller]
    pub fn addr(&self) -> SocketAddr {
        self.listeners
            .iter()
            .find(|l| l.1 != "admin")
            .expect("no listener")
            .2
    }

    /// The address of a listener by name.
    #[track_caller]
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.listeners
            .iter()
            .find(|l| l.0 == name)
            .unwrap_or_else(|| panic!("no listener {name}"))
            .2
    }

    /// Names, modes and addresses as announced.
    pub fn listeners(&self) -> &[(String, String, SocketAddr)] {
        &self.listeners
    }

    /// Asks the admin listener.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Response {
        get(
            self.listener("admin"),
            path,
            "admin.test",
            "Connection: close\r\n",
        )
    }

    /// The admin's `/status`.
    #[track_caller]
    pub fn status(&self) -> serde_json::Value {
        let response = self.admin("/status").expect(200);
        serde_json::from_slice(&response.body)
            .unwrap_or_else(|e| panic!("/status is not JSON ({e}): {}", response.text()))
    }

    /// The proxy's own directory (its working directory, with the configuration file).
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Rewrites the configuration file.
    pub fn rewrite_config(&self, text: &str) {
        std::fs::write(self.dir.path().join("understudy.toml"), text).unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits for a line on stderr.
    #[track_caller]
    pub fn wait_stderr(&self, what: impl Fn(&str) -> bool) {
        assert!(
            self.stderr.wait(what),
            "the line did not come; stderr:\n{}",
            self.stderr.text()
        );
    }

    /// Waits for a line on stdout.
    #[track_caller]
    pub fn wait_stdout(&self, what: impl Fn(&str) -> bool) {
        assert!(
            self.stdout.wait(what),
            "the line did not come; stdout:\n{}\nstderr:\n{}",
            self.stdout.text(),
            self.stderr.text()
        );
    }

    /// Waits for its end: the exit code, or `None` when a signal killed it.
    #[track_caller]
    pub fn wait_exit(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the proxy did not end; stderr:\n{}", self.stderr.text());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Ended already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What it wrote last may not be read yet. A child of its own that is left may keep the pipe open for longer than that.
        self.stderr.wait_end(Duration::from_secs(5));
        let panicked = self.stderr.all().iter().any(|l| l.contains("panicked at"));
        if std::thread::panicking() {
            eprintln!("--- the proxy's stderr\n{}\n---", self.stderr.text());
        } else if panicked {
            panic!("the proxy panicked:\n{}", self.stderr.text());
        }
    }
}

impl Lines {
    fn collect(pipe: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let sink = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                sink.0
                    .0
                    .lock()
                    .unwrap()
                    .0
                    .push(String::from_utf8_lossy(&line).into_owned());
                sink.0.1.notify_all();
            }
            sink.0.0.lock().unwrap().1 = true;
            sink.0.1.notify_all();
        });
        lines
    }

    /// Waits until the pipe has ended, so that there are no more lines; false when time ran out before.
    pub fn wait_end(&self, bound: Duration) -> bool {
        let guard = self.0.0.lock().unwrap();
        let waited = self
            .0
            .1
            .wait_timeout_while(guard, bound, |(_, ended)| !*ended);
        waited.unwrap().0.1
    }

    /// Waits until a line is as wanted; false when the pipe closed or time ran out before.
    #[must_use]
    pub fn wait(&self, what: impl Fn(&str) -> bool) -> bool {
        let guard = self.0.0.lock().unwrap();
        let (guard, _) = self
            .0
            .1
            .wait_timeout_while(guard, PATIENCE, |(lines, ended)| {
                !*ended && !lines.iter().any(|l| what(l))
            })
            .unwrap();
        guard.0.iter().any(|l| what(l))
    }

    /// Waits until `n` lines are as wanted.
    #[track_caller]
    pub fn wait_count(&self, what: impl Fn(&str) -> bool, n: usize) {
        let count = |lines: &[String]| lines.iter().filter(|l| what(l)).count();
        let guard = self.0.0.lock().unwrap();
        let waited = self
            .0
            .1
            .wait_timeout_while(guard, PATIENCE, |(lines, ended)| {
                !*ended && count(lines) < n
            });
        let (guard, _) = waited.unwrap();
        assert!(
            count(&guard.0) >= n,
            "{} of {n} lines came:\n{}",
            count(&guard.0),
            guard.0.join("\n")
        );
    }

    /// Every line so far.
    pub fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().0.clone()
    }

    /// Every line so far, as text.
    pub fn text(&self) -> String {
        self.all().join("\n")
    }
}

/// The binary under test: `UNDERSTUDY_BIN`, or beside the test's own executable. There it is of the sources as they are now: cargo is
/// asked once in each process, and does nothing where nothing has changed.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("UNDERSTUDY_BIN") {
            return path.into();
        }
        let test = std::env::current_exe().unwrap();
        let directory = test.parent().and_then(Path::parent).unwrap();
        let program = directory.join("understudy");
        match build(directory).status() {
            Ok(status) => assert!(status.success(), "cannot build the proxy"),
            // Tests that were carried elsewhere, without sources or cargo, have what lies beside them.
            Err(e) => assert!(program.exists(), "cannot build the proxy: {e}"),
        }
        program
    })
}

/// Builds it in this directory of a profile's programs. Several that do so at once wait for each other: cargo has a lock there.
fn build(directory: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // That of `dev` alone is called otherwise.
    let profile = directory.file_name().filter(|name| *name != "debug");
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "-p", "understudy", "--profile"])
        .arg(profile.unwrap_or(OsStr::new("dev")))
        .env("CARGO_TARGET_DIR", directory.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_built_in_the_profile_of_the_test_that_asks_for_it() {
        for (directory, profile) in [
            ("/t/debug", "dev"),
            ("/t/release", "release"),
            ("/t/bench", "bench"),
        ] {
            let command = build(Path::new(directory));
            assert_eq!(command.get_args().last(), Some(OsStr::new(profile)));
            let target = (OsStr::new("CARGO_TARGET_DIR"), Some(OsStr::new("/t")));
            assert!(command.get_envs().any(|env| env == target));
        }
    }
}
