//! Processor time and memory of the server, its document readers and PostgreSQL, from `/proc`.
//!
//! The time of an ended process is in `cutime` and `cstime` of the parent that waited for it, so the sum of all four times
//! over the living processes of a tree counts each second once. The processes of PostgreSQL are not children of the
//! server: `pg_ctl` detaches the postmaster.

use std::collections::HashMap;
use std::ops::{Add, Sub};

/// Clock ticks per second in `/proc`: the same on every supported architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resource usage by program: seconds of processor time, or megabytes of memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) server: f64,
    /// Document readers and other child processes of the server.
    pub(crate) readers: f64,
    pub(crate) postgres: f64,
}

impl Usage {
    pub(crate) fn sum(self) -> f64 {
        self.server + self.readers + self.postgres
    }

    /// Returns the maximum of each part.
    #[must_use]
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            server: self.server.max(other.server),
            readers: self.readers.max(other.readers),
            postgres: self.postgres.max(other.postgres),
        }
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            server: self.server + other.server,
            readers: self.readers + other.readers,
            postgres: self.postgres + other.postgres,
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            readers: self.readers - before.readers,
            postgres: self.postgres - before.postgres,
        }
    }
}

/// Times of a process, in seconds, and its parent.
struct Stat {
    parent: u32,
    own: f64,
    ended_children: f64,
}

/// Returns the processor time used so far, in seconds.
pub(crate) fn cpu(server: u32, postmaster: u32) -> Usage {
    let all = processes();
    let own = |process: u32| all.get(&process).map_or(0.0, |stat| stat.own);
    let total = |process: u32| all.get(&process).map_or(0.0, |stat| stat.own + stat.ended_children);
    let children = descendants(&all, server, postmaster);
    Usage {
        server: own(server),
        readers: total(server) - own(server) + children.iter().map(|child| total(*child)).sum::<f64>(),
        postgres: total(postmaster)
            + descendants(&all, postmaster, server).into_iter().map(total).sum::<f64>(),
    }
}

/// Returns the processor time of a process and its children so far, in seconds.
pub(crate) fn cpu_of_tree(root: u32) -> f64 {
    let all = processes();
    let total = |process: u32| all.get(&process).map_or(0.0, |stat| stat.own + stat.ended_children);
    total(root) + descendants(&all, root, 0).into_iter().map(total).sum::<f64>()
}

/// Returns the current memory in megabytes, as proportional set size: shared pages count once.
pub(crate) fn memory(server: u32, postmaster: u32) -> Usage {
    let all = processes();
    let sum = |processes: Vec<u32>| processes.into_iter().map(proportional_set_size).sum::<f64>();
    Usage {
        server: proportional_set_size(server),
        readers: sum(descendants(&all, server, postmaster)),
        postgres: proportional_set_size(postmaster) + sum(descendants(&all, postmaster, server)),
    }
}

fn proportional_set_size(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB"));
    kilobytes.and_then(|number| number.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}

/// Returns all descendants of a process, without the process `excluded` and its descendants.
fn descendants(all: &HashMap<u32, Stat>, root: u32, excluded: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut pending = vec![root];
    while let Some(parent) = pending.pop() {
        for (process, _) in
            all.iter().filter(|(process, stat)| stat.parent == parent && **process != excluded)
        {
            found.push(*process);
            pending.push(*process);
        }
    }
    found
}

fn processes() -> HashMap<u32, Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let process: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((process, stat(process)?))
        })
        .collect()
}

/// Reads `/proc/PID/stat`: `12 (name) S parent …`. The name can contain any character, so the fields are read after the
/// last parenthesis.
fn stat(process: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let seconds = |field: usize| fields.get(field)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_SECOND);
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: seconds(11)? + seconds(12)?,
        ended_children: seconds(13)? + seconds(14)?,
    })
}

/// Describes the machine: processor, cores, instruction set and load.
pub(crate) fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let instructions = if text.contains("avx512_vnni") { "with" } else { "without" };
    let model = model.map_or("unknown processor", |(_, name)| name);
    format!("{model}, {cores} cores, {instructions} AVX-512 VNNI, load {load} when the run began")
}
