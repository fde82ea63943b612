//! Benchmark of the model on this machine; prints JSON. Usage: `measure PATH_OF_MODEL [FACTOR]`, where FACTOR scales the duration
//! (default 1). Times are processor times of the whole process, which other load changes little.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use cpu_time::ProcessTime;
use embedding::Model;

/// Prose in both languages, repeated to the required lengths.
const ENGLISH: &str = "The write-ahead log records each change before the data pages are written, so that a crash \
    loses nothing that was committed. A checkpoint marks the point up to which all pages are on disk; recovery \
    starts there. Frequent checkpoints shorten recovery but cost more writing. ";
const CHINESE: &str = "预写式日志在数据页写入之前记录每一次修改，因此崩溃不会丢失已经提交的内容。检查点标记所有页面都已写入\
    磁盘的位置，恢复从那里开始。频繁的检查点会缩短恢复时间，但会增加写入量。";

fn main() -> anyhow::Result<()> {
    let path: PathBuf = std::env::args_os().nth(1).context("usage: measure PATH_OF_MODEL")?.into();
    let factor: f64 = std::env::args().nth(2).map_or(Ok(1.0), |factor| factor.parse())?;
    let (wall, processor) = (Instant::now(), ProcessTime::now());
    let model = Model::load(&path)?;
    let load = serde_json::json!({
        "wall_s": wall.elapsed().as_secs_f64(), "cpu_s": processor.elapsed().as_secs_f64(),
    });
    let memory_after_load = resident_bytes();

    let passages: Vec<String> =
        [ENGLISH, CHINESE].iter().cycle().take(16).map(|text| of_length(&model, text, 203)).collect();
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    let tokens: u32 =
        texts.iter().map(|text| u32::try_from(model.count_tokens(text)).unwrap_or(u32::MAX) + 4).sum();
    let passages_s = seconds_each(6.0 * factor, || model.embed_passages(&texts)) / 16.0;
    let single_s = seconds_each(2.0 * factor, || model.embed_passages(&texts[..1]));
    let short: Vec<String> = passages.iter().map(|text| text.chars().take(90).collect()).collect();
    let short: Vec<&str> = short.iter().map(String::as_str).collect();
    let short_s = seconds_each(2.0 * factor, || model.embed_passages(&short)) / 16.0;
    let long = of_length(&model, ENGLISH, 500);
    let long_s = seconds_each(2.0 * factor, || model.embed_passages(&[&long]));
    let query = "how do I restore a backup to a point in time";
    let query_s = seconds_each(2.0 * factor, || model.embed_query(query));
    let tokenizing_s = seconds_each(1.0 * factor, || model.count_tokens(&passages[0]));

    let figures = serde_json::json!({
        "load": load,
        "tokens_per_passage": tokens / 16,
        "passages_per_cpu_s": 1.0 / passages_s,
        "tokens_per_cpu_s": f64::from(tokens) / 16.0 / passages_s,
        "single_passage_cpu_ms": single_s * 1e3,
        "passage_of_90_characters_cpu_ms": short_s * 1e3,
        "passage_of_500_tokens_cpu_ms": long_s * 1e3,
        "query_tokens": model.count_tokens(query),
        "query_cpu_ms": query_s * 1e3,
        "tokenizing_a_passage_cpu_ms": tokenizing_s * 1e3,
        "resident_after_load_mb": memory_after_load.map(|bytes| bytes / 1e6),
        "resident_at_end_mb": resident_bytes().map(|bytes| bytes / 1e6),
    });
    #[expect(clippy::print_stdout, reason = "printing is what this example is for")]
    {
        println!("{figures:#}");
    }
    Ok(())
}

/// Returns the text, repeated and cut to about `tokens` tokens.
fn of_length(model: &Model, text: &str, tokens: usize) -> String {
    let mut long = text.repeat(tokens / 40 + 1);
    while model.count_tokens(&long) > tokens {
        long.pop();
    }
    long
}

/// Returns the processor seconds of a call: the mean over `budget` seconds, after one call to warm up.
fn seconds_each<T>(budget: f64, mut call: impl FnMut() -> T) -> f64 {
    std::hint::black_box(call());
    let (start, mut calls) = (ProcessTime::now(), 0_u32);
    while start.elapsed().as_secs_f64() < budget {
        std::hint::black_box(call());
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

/// Returns the resident memory of this process in bytes (Linux only).
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kilobytes| kilobytes * 1024.0)
}
