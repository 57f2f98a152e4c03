//! Watches a boot and gives the verdict.

use std::collections::HashMap;
use std::time::Duration;

use super::super::end::End;
use super::super::serial::SerialView;
use super::patterns::{BANNER, CLOUD_INIT, SIGNS, trouble};
use super::sign::Sign;
use super::trouble::Trouble;
use crate::text::printable;

/// Longest line: a console that prints more without a line end shows no text.
const LINE: usize = 16 << 10;

/// Number of times that the same first line must appear to count as a loop.
const LOOP: u32 = 4;

/// Most different first lines that are counted.
const BANNERS: usize = 64;

/// The limits after which a boot counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest time before there is a login prompt in which the guest prints nothing, changes no screen, and asks no disk.
    pub silence: Duration,
    /// Most bytes that may be printed in all.
    pub output: u64,
}

impl Default for Limits {
    /// Two minutes, in which an emulated processor can decompress a kernel; and a hundred times the output of an ordinary boot.
    fn default() -> Self {
        Self { silence: Duration::from_secs(120), output: 8 << 20 }
    }
}

/// cloud-init's last line: `Cloud-init v. 22.4.2 finished at ... Datasource DataSourceNoCloud [...].  Up 45.23 seconds`.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudInitEnd {
    /// Source of its metadata: `DataSourceConfigDrive [net,ver=2][source=/dev/vdb]`.
    pub datasource: String,
    /// Seconds since the kernel started.
    pub up: f64,
}

/// The state of a boot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Signs in order, each with the time since power-on when it first appeared.
    pub signs: Vec<(Sign, Duration)>,
    /// cloud-init's last line.
    pub cloud_init: Option<CloudInitEnd>,
    /// Reason why the boot stopped, if it did.
    pub trouble: Option<Trouble>,
}

impl Verdict {
    /// Returns when a sign first appeared, since power-on.
    pub fn seen(&self, sign: Sign) -> Option<Duration> {
        self.signs.iter().find(|(seen, _)| *seen == sign).map(|(_, when)| *when)
    }
}

/// An observer of a machine, which looks at it from time to time and comes to a verdict.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    verdict: Verdict,
    /// Number of bytes that were read.
    offset: u64,
    /// An incomplete line.
    partial: Vec<u8>,
    /// The last line that is not blank.
    last: String,
    banners: HashMap<String, u32>,
}

impl Watch {
    /// Makes a watch over a machine that was just started.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            verdict: Verdict::default(),
            offset: 0,
            partial: Vec::new(),
            last: String::new(),
            banners: HashMap::new(),
        }
    }

    /// Returns the verdict so far.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Looks at what the machine has printed, at its end if it has ended, and at the time since power-on.
    pub fn look(&mut self, serial: &SerialView, end: Option<&End>, elapsed: Duration) -> &Verdict {
        let (lost, bytes) = serial.since(self.offset);
        self.offset = serial.total;
        if lost > 0 {
            self.partial.clear();
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            // A prompt has no line end.
            self.line(&printable(&self.partial), elapsed);
            if piece.ends_with(b"\n") {
                self.partial.clear();
            }
        }
        // A carriage return begins the line again, as in progress displays.
        let unbroken = self.partial.rsplit(|byte| *byte == b'\r').next().map_or(0, <[u8]>::len);
        if serial.total > self.limits.output || unbroken > LINE {
            self.stop(Trouble::Flood { bytes: serial.total });
        }
        match end {
            Some(End::Panicked) => self.stop(Trouble::Panic(String::new())),
            Some(end) => self.stop(Trouble::Ended(end.clone())),
            None => {}
        }
        // A system that is up may be silent.
        if self.verdict.seen(Sign::LoginPrompt).is_none() && serial.quiet > self.limits.silence {
            self.stop(Trouble::Silence { quiet: serial.quiet, last: self.last.clone() });
        }
        &self.verdict
    }

    /// Looks at the text on the screen: under BIOS, firmware and boot loaders print some messages only there.
    pub fn look_at_screen(&mut self, lines: &[String]) -> &Verdict {
        for line in lines {
            if let Some(trouble) = trouble(line) {
                self.stop(trouble);
            }
        }
        if let Some(Trouble::Silence { last, .. }) = &mut self.verdict.trouble
            && last.is_empty()
        {
            *last = lines.iter().rfind(|line| !line.is_empty()).cloned().unwrap_or_default();
        }
        &self.verdict
    }

    /// Records a trouble. The first one is the cause of later ones, except silence and an end, which have causes themselves.
    fn stop(&mut self, trouble: Trouble) {
        let vague = matches!(&self.verdict.trouble, None | Some(Trouble::Silence { .. } | Trouble::Ended(_)));
        let new_is_vague = matches!(trouble, Trouble::Silence { .. } | Trouble::Ended(_));
        if self.verdict.trouble.is_none() || vague && !new_is_vague {
            self.verdict.trouble = Some(trouble);
        }
    }

    fn line(&mut self, line: &str, elapsed: Duration) {
        if line.trim().is_empty() {
            return;
        }
        self.last = line.to_owned();
        if let Some((sign, _)) = SIGNS.iter().find(|(_, pattern)| pattern.is_match(line))
            && !line.starts_with("Last login: ")
            && self.verdict.seen(*sign).is_none()
        {
            self.verdict.signs.push((*sign, elapsed));
        }
        if let Some(found) = CLOUD_INIT.captures(line)
            && let Ok(up) = found[2].parse()
        {
            self.verdict.cloud_init = Some(CloudInitEnd { datasource: found[1].to_owned(), up });
        }
        if let Some(trouble) = trouble(line) {
            self.stop(trouble);
        }
        self.count(line);
    }

    /// Counts the first lines of boots, each when it is complete.
    fn count(&mut self, line: &str) {
        if !self.partial.ends_with(b"\n") || !BANNER.is_match(line) {
            return;
        }
        if self.banners.len() >= BANNERS && !self.banners.contains_key(line) {
            return;
        }
        let times = self.banners.entry(line.to_owned()).or_default();
        *times += 1;
        if *times >= LOOP {
            let times = *times;
            self.stop(Trouble::Loop { line: line.to_owned(), times });
        }
    }
}
