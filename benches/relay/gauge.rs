//! What the kernel says about the measured process. Linux alone.

use std::fs;

use anyhow::ensure;

/// A process and the children that it had at the beginning.
pub(crate) struct Gauge {
    pids: Vec<u32>,
}

impl Gauge {
    pub(crate) fn new(pid: Option<u32>) -> anyhow::Result<Gauge> {
        let mut pids: Vec<u32> = pid.into_iter().collect();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.extend(numbers.filter(|child| pid.is_some() && parent(*child) == pid));
        let gauge = Gauge { pids };
        // A kernel without these figures must not look like a server without a cost.
        ensure!(pid.is_none() || gauge.cpu_us() > 0.0, "no schedstat of process {pid:?} in /proc");
        ensure!(pid.is_none() || gauge.resident() > 0.0, "no resident memory of process {pid:?} in /proc");
        Ok(gauge)
    }

    /// Processor time of all threads, in microseconds. A thread that ended meanwhile is not in it;
    /// of those that a server starts and ends, only the ones that hash passwords do much.
    pub(crate) fn cpu_us(&self) -> f64 {
        let tasks = self.pids.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
        let stats = tasks.flatten().flatten().filter_map(|task| {
            let told = fs::read_to_string(task.path().join("schedstat")).ok()?;
            told.split_whitespace().next()?.parse::<f64>().ok()
        });
        stats.sum::<f64>() / 1000.0
    }

    /// Resident memory in bytes. `smaps_rollup` is exact where `status` is a few pages behind.
    pub(crate) fn resident(&self) -> f64 {
        let of = |pid: &u32| {
            kibibytes(&format!("/proc/{pid}/smaps_rollup"), "Rss:")
                .or_else(|| kibibytes(&format!("/proc/{pid}/status"), "VmRSS:"))
        };
        self.pids.iter().filter_map(of).sum::<f64>() * 1024.0
    }
}

fn parent(pid: u32) -> Option<u32> {
    let told = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = told.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn kibibytes(file: &str, name: &str) -> Option<f64> {
    let told = fs::read_to_string(file).ok()?;
    let line = told.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
