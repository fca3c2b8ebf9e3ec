//! Processes: pinned to a core, waited for, their CPU time read, and ended.

use std::error::Error;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// The cores that server and client have to themselves.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    pub server: usize,
    pub client: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub fn find() -> Result<Self, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .ok_or("/proc/self/status does not say which cores are allowed")?;
        let mut allowed = list.trim().split(',').flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| text.parse().unwrap_or(0_usize);
            number(first)..=number(last)
        });
        match (allowed.next(), allowed.next()) {
            (Some(server), Some(client)) => Ok(Self { server, client }),
            _ => Err("server and client need a core each, and there is only one".into()),
        }
    }
}

/// A command that runs on this core alone.
pub fn pinned(core: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}

/// Child processes that are told to end when this is dropped, and killed if they do not.
#[derive(Debug, Default)]
pub struct Running(Vec<Child>);

impl Running {
    pub fn start(&mut self, command: &mut Command) -> Result<(), Box<dyn Error>> {
        let child = command.stdin(Stdio::null()).spawn();
        let program = command.get_program().to_owned();
        self.0
            .push(child.map_err(|error| format!("{}: {error}", program.display()))?);
        Ok(())
    }

    pub fn ids(&self) -> Vec<u32> {
        self.0.iter().map(Child::id).collect()
    }

    /// Until a server accepts connections there.
    pub fn wait_for(&mut self, address: SocketAddr) -> Result<(), Box<dyn Error>> {
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            for child in &mut self.0 {
                if let Some(status) = child.try_wait()? {
                    return Err(format!("the server ended early: {status}").into());
                }
            }
            if begin.elapsed() > Duration::from_secs(20) {
                return Err("the server did not listen within 20 s".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn have_ended(&mut self) -> bool {
        let mut children = self.0.iter_mut();
        children.all(|child| !matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &self.0 {
            let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let _ = id.map(|id| kill_process(id, Signal::TERM));
        }
        let begin = Instant::now();
        while !self.have_ended() && begin.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that nobody listens on.
pub fn free_address() -> Result<SocketAddr, Box<dyn Error>> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The CPU time of these processes and of all that they have started, in seconds.
pub fn cpu_seconds(roots: &[u32]) -> Result<f64, Box<dyn Error>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end meanwhile.
        if let Some(process) = fs::read_to_string(format!("/proc/{id}/stat"))
            .ok()
            .as_deref()
            .and_then(read_stat)
        {
            all.push((id, process));
        }
    }
    let mut family = roots.to_vec();
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let children = all.iter().filter(|(_, process)| process.parent == parent);
        family.extend(children.map(|(id, _)| *id));
        next += 1;
    }
    let ticks: u64 = all
        .iter()
        .filter(|(id, _)| family.contains(id))
        .map(|(_, process)| process.ticks)
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "exact for some thousand years")]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The CPU time of all that runs on the machine, in seconds, over all cores.
pub fn busy_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/stat")?;
    let total = stat.lines().next().unwrap_or_default();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let ticks = total
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(str::parse::<u64>);
    let ticks = ticks.collect::<Result<Vec<_>, _>>()?;
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    #[expect(clippy::cast_precision_loss, reason = "exact for some thousand years")]
    Ok((ticks.iter().sum::<u64>() - idle) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The CPU time of children that have ended, in seconds.
pub fn ended_children_cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').unwrap_or_default().1;
    // Behind the name, the 14th and 15th: their time in user and system mode.
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    #[expect(clippy::cast_precision_loss, reason = "exact for some thousand years")]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

struct Process {
    parent: u32,
    /// In user and system mode.
    ticks: u64,
}

/// Reads `/proc/ID/stat`; the name in parentheses may hold anything.
fn read_stat(stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let mut ticks = fields.skip(9);
    let (user, system) = (ticks.next()?, ticks.next()?);
    Some(Process {
        parent,
        ticks: user.parse::<u64>().ok()? + system.parse::<u64>().ok()?,
    })
}

/// As many open files as the system lets us have: a connection is one.
pub fn raise_file_limit() -> Result<(), Box<dyn Error>> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_a_process_is_read_whatever_its_name() {
        let stat = "42 (a) b) S 7 42 42 0 -1 4194560 1 2 3 4 150 25 8 9 20 0 1 0 5 6 7";
        let process = read_stat(stat).unwrap();
        assert_eq!((process.parent, process.ticks), (7, 175));
    }

    #[test]
    fn work_of_ones_own_counts() {
        let own = [std::process::id()];
        let before = cpu_seconds(&own).unwrap();
        let begin = Instant::now();
        // A busy machine gives it less than a core.
        while cpu_seconds(&own).unwrap() < before + 0.05 {
            assert!(begin.elapsed() < Duration::from_secs(30));
        }
    }
}
