//! What each program is told: its configuration files, from the templates in `peers/`, and its command line.
//!
//! Invariant: each gets a cache of the stated size in memory, writes no log of requests, and decides by the standard: nothing an
//! origin or a client says is ignored, and no program's own guesses are changed. Awkward case: nginx and Traffic Server keep what
//! they store in files; the files are in memory where the system has a directory for that.

use super::PeerArgs;
use crate::robots::Mode;
use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A program that can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)]
pub enum Name {
    Squid,
    #[value(alias = "ats")]
    Trafficserver,
    Nginx,
    Varnish,
    Understudy,
}

/// A program ready to be started.
#[derive(Debug)]
pub struct Setup {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The port it will listen on.
    pub port: u16,
    dir: TempDir,
    /// Where files are kept in memory, if that is another directory.
    memory: Option<TempDir>,
    /// What the names of its shared memory begin with: one that was killed leaves it.
    shared: Option<String>,
}

impl Setup {
    /// Writes the configuration.
    ///
    /// # Errors
    /// The program cannot be what is asked for, or a file cannot be written.
    pub fn new(args: &PeerArgs) -> Result<Self, String> {
        let mode = args.mode.unwrap_or(match args.name {
            Name::Nginx | Name::Varnish => Mode::Reverse,
            _ => Mode::Forward,
        });
        let reverse = mode == Mode::Reverse;
        if !reverse && matches!(args.name, Name::Nginx | Name::Varnish) {
            return Err("this one is no forward proxy: say --mode reverse".to_owned());
        }
        if reverse && args.origin.is_none() {
            return Err("a reverse proxy needs --origin ADDRESS:PORT".to_owned());
        }
        let mut setup = Self::empty(program(args), args.port)?;
        if matches!(args.name, Name::Nginx | Name::Trafficserver) {
            setup.memory = memory()?;
        }
        let text = |template: &str| setup.filled(template, args, reverse);
        let word = |word: &str| OsString::from(word);
        setup.arguments = match args.name {
            Name::Squid => {
                let text = text(match reverse {
                    false => include_str!("../../peers/squid.conf"),
                    true => include_str!("../../peers/squid-reverse.conf"),
                });
                // No SMP: one process, which ends by one signal.
                let one = if args.workers == 1 {
                    "-N"
                } else {
                    "--foreground"
                };
                // Its shared memory is called by this name: two on one machine must not meet.
                let service = format!("bed{}x{}", std::process::id(), args.port);
                let mut arguments = vec![word(one), word("-n"), word(&service), word("-f")];
                arguments.push(setup.write("squid.conf", &text)?);
                setup.shared = Some(format!("{service}-"));
                arguments
            }
            Name::Nginx => {
                let text = text(include_str!("../../peers/nginx.conf"));
                vec![word("-c"), setup.write("nginx.conf", &text)?]
            }
            Name::Varnish => {
                let text = text(include_str!("../../peers/varnish.vcl"));
                let mut arguments = vec![word("-F"), word("-f"), setup.write("origin.vcl", &text)?];
                let storage = format!("malloc,{}", args.cache);
                let listen = format!("127.0.0.1:{}", args.port);
                arguments.extend([word("-a"), word(&listen), word("-s"), word(&storage)]);
                // It serves what is stale for 10 s unless told not to, though no origin allowed it.
                arguments.extend(["-p", "default_grace=0", "-n"].map(OsString::from));
                arguments.push(setup.dir().join("work").into());
                arguments
            }
            Name::Trafficserver => vec![setup.trafficserver(args, reverse)?],
            Name::Understudy => {
                let text = text(match reverse {
                    false => include_str!("../../peers/understudy.toml"),
                    true => include_str!("../../peers/understudy-reverse.toml"),
                });
                let path = setup.write("understudy.toml", &text)?;
                vec![word("run"), word("--config"), path]
            }
        };
        Ok(setup)
    }

    /// A program in a directory of its own, to be told what it needs.
    ///
    /// # Errors
    /// There is no room for the directory.
    pub fn empty(program: PathBuf, port: u16) -> Result<Self, String> {
        Ok(Self {
            program,
            arguments: Vec::new(),
            port,
            dir: directory(&std::env::temp_dir())?,
            memory: None,
            shared: None,
        })
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where what it says goes.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.dir().join("output.log")
    }

    /// Writes a file into its directory.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<OsString, String> {
        let path = self.dir().join(name);
        let told = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(told)?;
        }
        fs::write(&path, text).map_err(told)?;
        Ok(path.into_os_string())
    }

    fn filled(&self, template: &str, args: &PeerArgs, reverse: bool) -> String {
        let (host, port) = args
            .origin
            .map_or_else(Default::default, |o| (o.ip().to_string(), o.port()));
        let origin = args.origin.map(|o| o.to_string()).unwrap_or_default();
        let memory = self.memory.as_ref().unwrap_or(&self.dir).path();
        [
            ("@PORT@", args.port.to_string()),
            ("@ORIGIN@", origin),
            ("@ORIGIN_HOST@", host),
            ("@ORIGIN_PORT@", port.to_string()),
            ("@CACHE@", args.cache.to_string()),
            // A sixteenth, as Understudy has it unless told otherwise.
            ("@OBJECT@", (args.cache / 16).to_string()),
            ("@WORKERS@", args.workers.to_string()),
            ("@REVERSE@", u8::from(reverse).to_string()),
            ("@MEMORY@", memory.display().to_string()),
            ("@DIR@", self.dir().display().to_string()),
        ]
        .into_iter()
        .fold(template.to_owned(), |text, (mark, value)| {
            text.replace(mark, &value)
        })
    }

    /// Traffic Server's directories, from those that its package installed.
    fn trafficserver(&self, args: &PeerArgs, reverse: bool) -> Result<OsString, String> {
        let installed = Path::new("/etc/trafficserver");
        let none = |e: std::io::Error| format!("{}: {e}; is it installed?", installed.display());
        for entry in fs::read_dir(installed).map_err(none)? {
            let path = entry.map_err(none)?.path();
            if let (true, Some(name)) = (path.is_file(), path.file_name()) {
                let text = fs::read_to_string(&path).map_err(none)?;
                self.write(&format!("etc/{}", name.to_string_lossy()), &text)?;
            }
        }
        let records = include_str!("../../peers/trafficserver/records.config");
        self.write("etc/records.config", &self.filled(records, args, reverse))?;
        let map = match args.origin.filter(|_| reverse) {
            Some(origin) => format!("map / http://{origin}/\n"),
            None => String::new(),
        };
        self.write("etc/remap.config", &map)?;
        let memory = self.memory.as_ref().unwrap_or(&self.dir).path().display();
        let storage = format!("{memory} {}\n", args.cache);
        self.write("etc/storage.config", &storage)?;
        for name in ["run", "log", "data"] {
            self.write(&format!("{name}/here"), "")?;
        }
        let dir = self.dir().display();
        let mut root = self.write(
            "runroot.yaml",
            &format!(
                "prefix: {dir}\nbindir: /usr/bin\nsysconfdir: {dir}/etc\nlocalstatedir: {dir}/run\n\
                 runtimedir: {dir}/run\nlogdir: {dir}/log\ncachedir: {dir}/data\ndatadir: {dir}/data\n"
            ),
        )?;
        let mut argument = OsString::from("--run-root=");
        argument.push(std::mem::take(&mut root));
        Ok(argument)
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        let (Some(shared), Ok(segments)) = (&self.shared, fs::read_dir(SHARED)) else {
            return;
        };
        for segment in segments.flatten() {
            if segment.file_name().to_string_lossy().starts_with(shared) {
                let _ = fs::remove_file(segment.path());
            }
        }
    }
}

/// Where shared memory is, and files in memory.
const SHARED: &str = "/dev/shm";

/// Where the program is.
fn program(args: &PeerArgs) -> PathBuf {
    if let Some(program) = &args.program {
        // It is started in a directory of its own, where a path from here would lead nowhere.
        return match program.components().count() {
            0 | 1 => program.clone(),
            _ => std::path::absolute(program).unwrap_or_else(|_| program.clone()),
        };
    }
    let (name, places): (&str, &[&str]) = match args.name {
        Name::Squid => ("squid", &["/usr/sbin"]),
        Name::Nginx => ("nginx", &["/usr/sbin"]),
        Name::Varnish => ("varnishd", &["/usr/sbin"]),
        Name::Trafficserver => ("traffic_server", &["/usr/bin", "/usr/sbin"]),
        Name::Understudy => return beside("understudy"),
    };
    // These directories are not in everybody's PATH.
    let found = places.iter().map(|p| Path::new(p).join(name));
    found
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// A program of this workspace: beside this one, else by its name.
#[must_use]
pub fn beside(name: &str) -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|own| own.parent().map(|dir| dir.join(name)))
        .filter(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// A directory in memory, where the system has one.
fn memory() -> Result<Option<TempDir>, String> {
    let shared = Path::new(SHARED);
    shared.is_dir().then(|| directory(shared)).transpose()
}

/// A new directory that programs which give up root can read too.
fn directory(within: &Path) -> Result<TempDir, String> {
    let told = |e: std::io::Error| format!("{}: {e}", within.display());
    let dir = tempfile::Builder::new()
        .prefix("understudy-bed-")
        .tempdir_in(within)
        .map_err(told)?;
    // Squid and Varnish write as users of their own when they were started as root.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).map_err(told)?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_program_is_from_where_the_command_is_typed_and_a_name_is_looked_for() {
        let found = |typed: &str| {
            program(&PeerArgs {
                name: Name::Understudy,
                port: 1,
                origin: None,
                mode: None,
                cache: 1,
                workers: 1,
                program: Some(PathBuf::from(typed)),
            })
        };
        let here = std::env::current_dir().unwrap_or_default();
        assert_eq!(found("a/b"), here.join("a/b"));
        assert_eq!(found("./b"), here.join("b"));
        assert_eq!(found("/a/b"), Path::new("/a/b"));
        assert_eq!(found("b"), Path::new("b"));
    }
}
