//! Processor time and memory of the server, its document readers and PostgreSQL, from `/proc`.
//!
//! A process that has ended is in `cutime` and `cstime` of the parent that waited for it. So the sum of all four times
//! over the living processes of a tree counts each second once. PostgreSQL's processes are not children of the
//! server: `pg_ctl` leaves the postmaster behind.

use std::collections::HashMap;
use std::ops::{Add, Sub};

/// Ticks in a second of `/proc`: the same on every architecture that this runs on.
const TICKS: f64 = 100.0;

/// Seconds of processor time, or megabytes of memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shares {
    pub(crate) server: f64,
    /// Document readers, and whatever else the server has started.
    pub(crate) readers: f64,
    pub(crate) postgres: f64,
}

impl Shares {
    pub(crate) fn sum(self) -> f64 {
        self.server + self.readers + self.postgres
    }

    /// The larger of each.
    #[must_use]
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            server: self.server.max(other.server),
            readers: self.readers.max(other.readers),
            postgres: self.postgres.max(other.postgres),
        }
    }
}

impl Add for Shares {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            server: self.server + other.server,
            readers: self.readers + other.readers,
            postgres: self.postgres + other.postgres,
        }
    }
}

impl Sub for Shares {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            readers: self.readers - before.readers,
            postgres: self.postgres - before.postgres,
        }
    }
}

struct Stat {
    parent: u32,
    own: f64,
    of_ended_children: f64,
}

/// Processor time used so far.
pub(crate) fn cpu(server: u32, postmaster: u32) -> Shares {
    let all = processes();
    let own = |process: u32| all.get(&process).map_or(0.0, |stat| stat.own);
    let whole = |process: u32| all.get(&process).map_or(0.0, |stat| stat.own + stat.of_ended_children);
    let children = descendants(&all, server, postmaster);
    Shares {
        server: own(server),
        readers: whole(server) - own(server) + children.iter().map(|child| whole(*child)).sum::<f64>(),
        postgres: whole(postmaster)
            + descendants(&all, postmaster, server).into_iter().map(whole).sum::<f64>(),
    }
}

/// Processor time that a process and its children have used so far.
pub(crate) fn cpu_of_tree(root: u32) -> f64 {
    let all = processes();
    let whole = |process: u32| all.get(&process).map_or(0.0, |stat| stat.own + stat.of_ended_children);
    whole(root) + descendants(&all, root, 0).into_iter().map(whole).sum::<f64>()
}

/// Memory now: proportional, so that shared pages count once.
pub(crate) fn memory(server: u32, postmaster: u32) -> Shares {
    let all = processes();
    let sum = |processes: Vec<u32>| processes.into_iter().map(proportional).sum::<f64>();
    Shares {
        server: proportional(server),
        readers: sum(descendants(&all, server, postmaster)),
        postgres: proportional(postmaster) + sum(descendants(&all, postmaster, server)),
    }
}

fn proportional(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB"));
    kilobytes.and_then(|number| number.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}

fn descendants(all: &HashMap<u32, Stat>, root: u32, without: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut left = vec![root];
    while let Some(parent) = left.pop() {
        for (process, _) in all.iter().filter(|(process, stat)| stat.parent == parent && **process != without)
        {
            found.push(*process);
            left.push(*process);
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

/// `12 (name) S parent …`: the name may hold anything, so what follows is looked for behind its last parenthesis.
fn stat(process: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let seconds = |field: usize| fields.get(field)?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: seconds(11)? + seconds(12)?,
        of_ended_children: seconds(13)? + seconds(14)?,
    })
}

/// What this machine is.
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
