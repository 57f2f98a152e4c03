//! Makes the shell scripts that run in the appliance, around the programs of the image.
//!
//! A program gets its own process and mount namespaces. They end with it, and so do its processes and mounts. So it can neither
//! keep the build waiting nor keep a file system busy. Its output goes through a pipe, because `/dev/stderr` cannot be opened
//! twice on a virtio port.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Command, Mount};

/// The image's root in the appliance.
pub(super) const ROOT: &str = "/sysroot";

/// The port of [`super::channel`] in the appliance.
pub(super) const LOG_PORT: &str = "org.goldsmith.log";

/// The port in the appliance that wakes a resumed guest.
pub(super) const WAKE_PORT: &str = "org.goldsmith.wake";

/// `PATH` of programs in the image.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The destination of a program's output.
#[derive(Debug, Clone, Copy)]
pub(super) enum Streams<'a> {
    /// To the log port, followed by a line with this marker.
    Log {
        /// The end of the output.
        marker: &'a str,
    },
    /// From and to the terminal.
    Terminal {
        /// Text before all output.
        banner: &'a str,
        /// Width in characters.
        columns: u16,
        /// Height in lines.
        rows: u16,
    },
}

/// Quotes text for a shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns the script that runs a program in the image. It prints `status N`, or the reason for an error.
pub(super) fn run(command: &Command<'_>, streams: Streams<'_>) -> String {
    let terminal = matches!(streams, Streams::Terminal { .. });
    let mut environment = format!(
        "PATH={PATH} HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive {}",
        if terminal { "SHELL=/bin/sh" } else { "TERM=dumb" }
    );
    for (name, value) in &command.env {
        let _ = write!(environment, " {}", quote(&format!("{name}={value}"))); // writing to a string cannot fail
    }
    let words: Vec<_> = std::iter::once(command.program).chain(command.args.iter().map(String::as_str)).collect();
    let program = words.into_iter().map(quote).collect::<Vec<_>>().join(" ");
    let session = if terminal { "setsid -c" } else { "setsid" };
    // The shell stays process 1, outside the image: it reaps orphans, ignores `kill 0`, and lets systemctl see that it runs in a
    // chroot. `env -i` takes NAME=VALUE words up to the program's name.
    let inner = format!(
        "mount -t proc proc {ROOT}/proc && mount --rbind /dev {ROOT}/dev && mount --rbind /sys {ROOT}/sys \
         || {{ echo 'cannot mount /dev, /proc and /sys in the image' >&9; exit 125; }}\n\
         {session} env -i {environment} chroot {ROOT} {program} 9>&-\n\
         exit $?"
    );
    let isolated = format!("unshare --mount --pid --fork --kill-child sh -c {}", quote(&inner));
    let mut script = "umask 022; cd /; exec 9>&1\n".to_owned();
    if command.network {
        script.push_str(NETWORK_BEGIN);
    }
    // No write here can fail: it goes to a string.
    let _ = match streams {
        Streams::Log { marker } => writeln!(
            script,
            "{{ {isolated} </dev/null; echo \"status $?\" >&9; }} 2>&1 | cat >/dev/virtio-ports/{LOG_PORT} 9>&-\n\
             printf '\\n%s\\n' {marker} >/dev/virtio-ports/{LOG_PORT}"
        ),
        Streams::Terminal { banner, columns, rows } => writeln!(
            script,
            // Opened once for all: at its last close, the terminal loses its size and pending input.
            "{{ stty sane rows {rows} cols {columns}; printf '%s\\n' {}; {isolated}; echo \"status $?\" >&9; \
             }} </dev/hvc0 >/dev/hvc0 2>&1",
            quote(banner)
        ),
    };
    if command.network {
        script.push_str(NETWORK_END);
    }
    script.push_str("exit 0\n");
    script
}

/// A script that waits for the link, and gives the image the appliance's resolver instead of its own.
const NETWORK_BEGIN: &str = r"
i=0; while [ $i -lt 100 ] && ! cat /sys/class/net/e*/carrier 2>/dev/null | grep -q 1; do i=$((i+1)); sleep 0.05; done
r=/sysroot/etc/resolv.conf
if [ -s /etc/resolv.conf ]; then
  if [ -e $r ] || [ -L $r ]; then mv $r $r.goldsmith; fi
  cp /etc/resolv.conf $r
fi
";

/// A script that restores the image's own resolver, unless the program has made a new one.
const NETWORK_END: &str = r#"
if [ -s /etc/resolv.conf ]; then
  if [ ! -L $r ] && [ "$(cat $r 2>/dev/null)" = "$(cat /etc/resolv.conf)" ]; then rm -f $r; fi
  if [ -e $r ] || [ -L $r ]; then rm -f $r.goldsmith
  elif [ -e $r.goldsmith ] || [ -L $r.goldsmith ]; then mv $r.goldsmith $r; fi
fi
"#;

/// Returns the status in the output of [`run`]'s script, or the reason why there is none.
pub(super) fn status(printed: &str) -> Result<i32, String> {
    let last = printed.lines().rev().find_map(|line| line.strip_prefix("status "));
    match last.and_then(|number| number.trim().parse().ok()) {
        // The script prints the reason and then status 125 if it could not begin.
        Some(125) if printed.lines().count() > 1 => Err(printed.lines().next().unwrap_or_default().to_owned()),
        Some(status) => Ok(status),
        None => Err(crate::text::printable(printed.as_bytes())),
    }
}

/// Sets the clock to what an image was last changed at, where that is not a day ahead: a host whose clock was set back would
/// else give what changes now an older time than what is derived from it.
///
/// The first search only looks whether this is so. The second one, which needs all the times, is for such hosts alone.
const FORWARD: &str = r#"
: >/tmp/goldsmith-now
if [ -n "$(find /sysroot/etc /sysroot/boot -maxdepth 2 -newercc /tmp/goldsmith-now -print -quit 2>/dev/null)" ]; then
newest=$(find /sysroot/etc /sysroot/boot -maxdepth 2 -printf '%C@\n' 2>/dev/null | sort -n | tail -n 1)
newest=${newest%%.*} now=$(date +%s)
if [ ${newest:-0} -ge $now ] && [ $newest -lt $((now + 86400)) ]; then date -s @$((newest + 1)) >/dev/null; fi
fi
"#;

/// Returns a script that mounts file systems below [`ROOT`], and a tmpfs on `/run` so that nothing there becomes part of a layer.
pub(super) fn mount(disk: &str, mounts: &[Mount]) -> String {
    let mut script = "set -e\n".to_owned();
    for mount in mounts {
        let device = quote(&mount.source.device(disk));
        let target = quote(&format!("{ROOT}{}", mount.path));
        // Without noatime, every file that is read would become part of the layer.
        let options = mount.subvolume.as_ref().map_or("noatime".to_owned(), |name| format!("noatime,subvol={name}"));
        let _ = writeln!(script, "mount -o {} {device} {target} 2>&1", quote(&options)); // to a string
    }
    script.push_str(FORWARD);
    script.push_str("[ -d /sysroot/run ] || mkdir /sysroot/run\n");
    script.push_str("mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /sysroot/run\n");
    script
}

/// A script that unmounts all below [`ROOT`]. It waits, because a program's namespaces end shortly after the program.
pub(super) const UNMOUNT: &str = r"
i=0
while mountpoint -q /sysroot; do
  if [ $i -ge 50 ]; then umount -R /sysroot; exit $?; fi
  umount -R /sysroot 2>/dev/null || sleep 0.1
  i=$((i+1))
done
";

/// A script that makes the usual links in `/dev`, which the appliance lacks. Without them, a script that writes to `/dev/stderr`
/// would create a file there.
pub(super) const PREPARE: &str = "
for link in fd: stdin:/0 stdout:/1 stderr:/2; do ln -sfn /proc/self/fd${link#*:} /dev/${link%:*}; done
";

/// Where [`emulate`] puts the emulator. The kernel opens it once, so it need not stay there.
pub(super) const EMULATOR: &str = "/tmp/goldsmith-emulator";

/// Returns a script that takes an emulator from a separate disk, and makes a rule for `binfmt_misc` with it.
///
/// The appliance has the kernel and the programs of the host's architecture: those of the image's run under the emulator, which
/// is there also for programs in the image's root, without a file of it in the image.
pub(super) fn emulate(device: &str, size: u64, rule: &str) -> String {
    let rule = quote(rule);
    format!(
        r"set -e
modprobe -q binfmt_misc || :
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>&1
head -c {size} {device} >{EMULATOR}
chmod 0755 {EMULATOR}
printf '%s' {rule} >/proc/sys/fs/binfmt_misc/register
rm {EMULATOR}
"
    )
}

/// Returns a script that sets the clock of a resumed guest, which shows the time when its state was saved.
pub(super) fn set_clock(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("date -s @{}.{:09} >/dev/null", since.as_secs(), since.subsec_nanos())
}

/// Returns a script that remounts file systems with `ro` or `rw`. Under emulation, starting programs takes most of the time. So
/// it starts one for each file system, and `-i` prevents the search for helpers.
pub(super) fn remount(mounted: &[String], mode: &str) -> String {
    for_each(mounted.iter(), |path| format!("mount -i -o remount,{mode} {path}"))
}

/// Returns a script that trims the mounted file systems that support it.
pub(super) fn trim(mounted: &[String]) -> String {
    for_each(mounted.iter(), |path| format!("{{ fstrim --quiet-unsupported {path} 2>&1; }}"))
}

fn for_each<'a>(mounted: impl Iterator<Item = &'a String>, command: impl Fn(&str) -> String) -> String {
    let commands = mounted.map(|path| command(&quote(&format!("{ROOT}{path}"))));
    commands.collect::<Vec<_>>().join(" && ")
}

/// Where [`unpack`] finds the names of directories that tar passes over, one a line: on the tmpfs of [`mount`].
pub(super) const PASSED: &str = "/run/goldsmith-passed";

/// A tar file on a separate disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tar<'a> {
    /// The disk.
    pub(super) device: &'a str,
    /// Length of the file, in bytes; the disk is longer.
    pub(super) size: u64,
    /// A command that reads the file and writes the archive.
    pub(super) decompress: &'a str,
    /// Whether the archive has access control lists as texts.
    pub(super) lists: bool,
    /// Whether all entries stay below the directory without help from tar.
    pub(super) contained: bool,
}

/// Returns a script that unpacks a tar file from a separate disk, with padding at its end, into a directory that may be missing.
///
/// If the archive has a directory where the image has a link to a directory, such as `bin`, the files go to the link's target.
/// The appliance's tar does that with the image as its root. Otherwise an absolute link would lead elsewhere. tar's libraries are
/// below `/run`, and its own loader loads them. An existing directory keeps its mode and owner: an archive of `./` must not close
/// the image's root. Owners are numbers, because the appliance's names mean nothing in the image.
///
/// With the image as its root, the loader reads the image's `/etc/ld.so.preload`, and libc reads the image's `/etc/nsswitch.conf`
/// to find a name in an ACL. Both name libraries of the image. For tar, no file system of the image is executable, so none of
/// these is mapped as code. So the image cannot make the appliance run its code, and a library that the image preloads for its
/// own programs does not disturb tar. With `LC_ALL=C`, tar reads no locale of the image.
///
/// Directories get their attributes at last: the kernel would give a default list among them to files that come later in the
/// archive.
///
/// A new directory inherits the setgid bit of the one it is in, and tar leaves it there (tar 1.34). So existing directories,
/// and those that links in it lead to, lose the bit while tar runs.
///
/// tar only warns about attributes that a file system cannot hold. The script treats this as a failure.
pub(super) fn unpack(mounted: &[String], archive: &Tar<'_>, directory: &str) -> String {
    let Tar { device, size, decompress, lists, contained } = *archive;
    let run = "/run".to_owned();
    let no_programs =
        for_each(mounted.iter().chain([&run]), |path| format!("mount -i -o remount,bind,noatime,noexec {path}"));
    let lists = if lists { "--acls" } else { "" };
    let names = if contained { "--absolute-names" } else { "" };
    let outside = quote(&format!("{ROOT}{directory}"));
    let inside = quote(directory);
    let inner = format!(
        r#"b={ROOT}/run/goldsmith-appliance; said=/tmp/goldsmith-unpack setgid=/tmp/goldsmith-setgid
{no_programs} && mkdir -p $b && mount --bind / $b || exit 1
at() {{ printf /run/goldsmith-appliance; readlink -f "$(command -v "$1")"; }}
libraries=$(ldd "$(command -v tar)" "$(command -v find)" "$(command -v realpath)")
loader=$(printf '%s\n' "$libraries" | sed -n 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | head -n 1)
path=
for d in $(printf '%s\n' "$libraries" | sed -n 's|.*=> \(/.*\)/[^/]* (.*|\1|p' | sort -u); do
  path=$path:/run/goldsmith-appliance$(readlink -f "$d")
done
[ -n "$loader" ] || {{ echo 'the loader of tar is not found'; exit 1; }}
inside=(env LC_ALL=C chroot {ROOT} "$(at "$loader")" --inhibit-cache --library-path "$path")
: >$setgid
if [ -d {outside} ]; then
  # find fails for links in a circle.
  {{ "${{inside[@]}}" "$(at find)" -L {inside} -type d -perm -2000 -print0 2>/dev/null || :; }} |
    xargs -0 -r "${{inside[@]}}" "$(at realpath)" -z -- >$setgid || exit 1
fi
while IFS= read -r -d '' d; do chmod g-s -- {ROOT}"$d" || exit 1; done <$setgid
keep=--no-overwrite-dir
[ -d {outside} ] || {{ mkdir {outside} && chown 0:0 {outside} && chmod 00755 {outside} || exit 1; keep=; }}
head -c {size} {device} | {decompress} | "${{inside[@]}}" "$(at tar)" -x -f - -C {inside} \
  --numeric-owner --keep-directory-symlink --delay-directory-restore $keep \
  --no-recursion --anchored --no-wildcards --exclude-from={PASSED} {lists} {names} --xattrs '--xattrs-include=*' \
  2>$said
status=$?
while IFS= read -r -d '' d; do [ -L {ROOT}"$d" ] || [ ! -d {ROOT}"$d" ] || chmod g+s -- {ROOT}"$d" || status=1; done <$setgid
tail -n 20 $said
if [ $status = 0 ] && grep -Eq "Cannot (set|fset|acl_set)|: Warning: Cannot" $said; then status=1; fi
exit $status"#
    );
    let script = format!("exec 2>&1; {inner}");
    // The mounts for it end with its namespace.
    format!(
        "unshare --mount bash -o pipefail -c {}; s=$?; rmdir {ROOT}/run/goldsmith-appliance; exit $s",
        quote(&script)
    )
}

/// Bytes of tar's record; the archive's length is a multiple of it.
pub(super) const TAR_RECORD: u64 = 4 << 20;

/// Returns a script that writes everything mounted as a tar file to a disk, and prints a line for [`archive_length`].
///
/// Names are sorted, owners are numbers, times are whole seconds, and access and change times are left out: the same tree gives
/// the same archive. The content of `/dev`, `/proc`, `/run` and `/sys` belongs to a running system, and `lost+found` to the file
/// system. The default pattern of extended attributes would only keep those of `user.`.
///
/// tar writes to the disk directly. A pipe between two programs takes more time than the archive, and sending it as libguestfs'
/// `tar_out` does takes twice as long: 560 MB in 38 s, here in 20 s, both under TCG.
pub(super) fn archive(device: &str, mounted: &[String]) -> String {
    let lost = mounted
        .iter()
        .map(|path| format!("--exclude={}", quote(&format!(".{}/lost+found", path.trim_end_matches('/')))));
    let lost = lost.collect::<Vec<_>>().join(" ");
    // A header has room for times from 1970 to 2242. tar would store 1970 for all others.
    let command = format!(
        "times=,delete=mtime; [ -z \"$(find {ROOT} \\( ! -newermt @-1 -o -newermt @8589934590 \\) -print -quit)\" ] || times=; \
         LC_ALL=C tar -c -f {device} -b {} --totals -C {ROOT} --format=posix --sort=name --numeric-owner \
         --pax-option=delete=atime,delete=ctime$times --xattrs '--xattrs-include=*' \
         --anchored --no-wildcards {lost} \
         --wildcards '--exclude=./dev/*' '--exclude=./proc/*' '--exclude=./run/*' '--exclude=./sys/*' . && sync {device}",
        TAR_RECORD / 512
    );
    format!("bash -o pipefail -c {}", quote(&format!("{{ {command}; }} 2>&1 | tail -n 20")))
}

/// Parses the length of the archive in the output of [`archive`].
pub(super) fn archive_length(printed: &str) -> Result<u64, String> {
    let length =
        printed.lines().find_map(|line| line.strip_prefix("Total bytes written: ")?.split(' ').next()?.parse().ok());
    length.ok_or_else(|| crate::text::printable(printed.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_come_back_as_they_were() {
        for text in ["plain", "", "two words", "it's", "$(reboot) `x` \\ \" \n !", "ü"] {
            let script = format!("printf %s {}", quote(text));
            let echoed = crate::process::capture(std::process::Command::new("sh").args(["-c", &script]));
            assert_eq!(echoed.expect("sh runs"), text);
        }
    }

    #[test]
    fn scripts_are_shell() {
        let args = ["it's".to_owned(), "$HOME".to_owned()];
        for network in [false, true] {
            for streams in
                [Streams::Log { marker: "00ff" }, Streams::Terminal { banner: "don't", columns: 80, rows: 24 }]
            {
                let env = [("A".to_owned(), "b c'd".to_owned())].into();
                let command = Command { program: "/bin/true", args: &args, env, network, timeout: None };
                let script = run(&command, streams);
                crate::process::capture(std::process::Command::new("sh").args(["-n", "-c", &script]))
                    .unwrap_or_else(|error| panic!("{error}\n{script}"));
            }
        }
    }

    #[test]
    fn archives_are_made_by_shell_and_their_length_is_read() {
        let script = archive("/dev/sdz", &["/".to_owned(), "/it's".to_owned()]);
        crate::process::capture(std::process::Command::new("bash").args(["-n", "-c", &script]))
            .unwrap_or_else(|error| panic!("{error}\n{script}"));
        assert_eq!(archive_length("tar: noise\nTotal bytes written: 4194304 (4.0MiB, 1GiB/s)\n"), Ok(4_194_304));
        assert_eq!(archive_length("tar: it failed"), Err("tar: it failed".to_owned()));
    }

    #[test]
    fn the_status_is_a_number_or_there_is_a_reason() {
        for (printed, expected) in [
            ("status 0\n", Ok(0)),
            ("noise\nstatus 143\n", Ok(143)),
            ("status 125\n", Ok(125)),
            ("cannot mount\nstatus 125\n", Err("cannot mount")),
            ("", Err("")),
            ("status many", Err("status many")),
        ] {
            assert_eq!(status(printed), expected.map_err(str::to_owned), "{printed}");
        }
    }
}
