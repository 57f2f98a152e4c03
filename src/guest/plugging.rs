//! Makes the shell scripts that run in the appliance when a disk was attached and before it is taken away.

/// The part of [`find_disk`] for the volumes on the disk `$d`.
const VOLUMES: &str = r#"known= volumes=
for s in /sys/block/$d/dev /sys/block/$d/$d*/dev; do
  [ -e $s ] && read -r number <$s && [ -e /run/udev/data/b$number ] || continue
  while read -r line; do
    case $line in
      E:ID_FS_TYPE=LVM2_member) known=yes volumes=yes ;;
      E:ID_FS_TYPE=* | E:ID_PART_TABLE_TYPE=*) known=yes ;;
    esac
  done </run/udev/data/b$number
done
if [ -z "$known" ]; then case $(lsblk -nro FSTYPE /dev/$d) in *LVM2_member*) volumes=yes ;; esac; fi
if [ -n "$volumes" ]; then lvm vgchange -q -a y >/dev/null 2>&1; udevadm settle; fi
"#;

/// Returns a script that finds the disk with a SCSI id, which appears shortly after it was attached. If `volumes` is set, the
/// script makes the logical volumes on the disk available.
///
/// udev's records tell what is on the disk. The shell itself reads them, because starting `lsblk` takes time.
pub(super) fn find_disk(target: u32, volumes: bool) -> String {
    let volumes = if volumes { VOLUMES } else { "" };
    format!(
        r#"i=0
while [ $i -lt 200 ]; do
  for b in /sys/bus/scsi/devices/*:0:{target}:0/block/*; do
    if [ -b "/dev/${{b##*/}}" ]; then
      udevadm settle
      d=${{b##*/}}
{volumes}      echo "/dev/$d"; exit 0
    fi
  done
  i=$((i+1)); sleep 0.05
done
echo 'the disk does not appear in the guest' >&2; exit 1
"#
    )
}

/// Makes the appliance forget a disk, and what stands on it: a volume that stays mapped to a disk that was taken away gives
/// errors where the next disk has a volume of the same name.
pub(super) fn forget(name: &str) -> String {
    format!(
        r#"sync
held() {{ for h in /sys/block/{name}/holders/* /sys/block/{name}/{name}*/holders/*; do [ ! -e "$h" ] || return 0; done; return 1; }}
if held; then
  lvm vgchange -q -a n 2>&1; mdadm --stop --scan 2>&1; udevadm settle
  if held; then echo 'volumes on the disk are still in use' >&2; exit 1; fi
fi
echo 1 >/sys/block/{name}/device/delete
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_disk_of_the_image_gives_volumes() {
        for volumes in [false, true] {
            let script = find_disk(5, volumes);
            crate::process::capture(std::process::Command::new("sh").args(["-n", "-c", &script]))
                .unwrap_or_else(|error| panic!("{error}\n{script}"));
            assert_eq!(script.contains("vgchange"), volumes);
        }
    }
}
