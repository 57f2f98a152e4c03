//! The start of a guest: the first one saves its state, and later ones resume it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use goldsmith::event::{Event, Reporter};
use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{Accel, GuestConfig};
use goldsmith::interrupt::Interrupt;
use goldsmith::units::ByteSize;

/// Keeps what is told for the log.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Reporter for Log {
    fn report(&self, event: &Event) {
        if let Event::Detail { message } = event {
            self.0.lock().unwrap().push(message.clone());
        }
    }
}

/// Starts a guest of a size that no other test has, and returns it with the log.
fn start(dir: &tempfile::TempDir) -> (LibguestfsGuest, Vec<String>) {
    let log = Arc::new(Log::default());
    let config = GuestConfig {
        accel: Accel::Tcg,
        memory: ByteSize::mebibytes(701),
        cpus: 1,
        network: None,
        emulator: None,
        socket_dir: dir.path().to_owned(),
    };
    let guest = LibguestfsGuest::launch(&config, Arc::clone(&log) as Arc<dyn Reporter>, &Interrupt::new());
    let guest = guest.expect("a guest");
    let told = std::mem::take(&mut *log.0.lock().unwrap());
    (guest, told)
}

/// Seconds since 1970 by the clock of a guest.
fn clock(guest: &LibguestfsGuest) -> f64 {
    guest.in_appliance("date +%s.%N").unwrap().trim().parse().unwrap()
}

#[test]
#[ignore = "needs libguestfs"]
fn a_guest_resumes_the_state_of_the_one_before() {
    let dir = tempfile::Builder::new().prefix("gold").tempdir().unwrap();
    // One that a failed run of this test left behind.
    let (guest, _) = start(&dir);
    let state = guest.saved_state().expect("a state").to_owned();
    drop(guest);
    std::fs::remove_file(&state).unwrap();

    let (first, told) = start(&dir);
    assert_eq!(told, ["the state of the guest is saved for the next one"]);
    // The guest that was saved goes on.
    assert_eq!(first.in_appliance("echo here").unwrap(), "here");
    drop(first);

    // Two guests that resume one state have the right time, and random numbers of their own.
    let resumed = "the guest resumed a saved state";
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let (guest, told) = start(&dir);
        assert_eq!(told, [resumed]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let behind = now.as_secs_f64() - clock(&guest);
        assert!(behind.abs() < 30.0, "the clock is {behind} s behind");
        numbers.push(guest.in_appliance("od -An -tx1 -N32 /dev/urandom; cat /proc/sys/kernel/random/uuid").unwrap());
        let mounted = guest.in_appliance("cat /proc/mounts").unwrap();
        assert!(mounted.starts_with("overlay / overlay rw"), "{mounted}");
    }
    assert_ne!(numbers[0], numbers[1]);

    // A file that is no state, or an incomplete one, is replaced, and the guest starts.
    for damage in [&b""[..], &std::fs::read(&state).unwrap()[..1 << 20]] {
        std::fs::write(&state, damage).unwrap();
        let (guest, told) = start(&dir);
        let size = damage.len();
        assert!(size == 0 || told[0].contains("does not resume"), "{size} bytes: {told:?}");
        assert_eq!(told.last().unwrap(), "the state of the guest is saved for the next one", "{size} bytes: {told:?}");
        assert_eq!(guest.in_appliance("echo here").unwrap(), "here");
    }
    let (_, told) = start(&dir);
    assert_eq!(told, [resumed]);
    std::fs::remove_file(state).unwrap();
}
