//! Attaches disks to the running guest, exchanges them, and freezes them as layers, by QMP.

use std::path::Path;

use serde_json::{Value, json};

use super::GuestError;
use super::libguestfs::{Disk, LibguestfsGuest, text};
use super::plugging;
use super::script;

/// SCSI ids of the image's disk and of an archive's, by which the guest finds them.
const DISK_TARGET: u32 = 5;
const ARCHIVE_TARGET: u32 = 6;

impl LibguestfsGuest {
    /// Returns the device of the attached disk.
    pub(super) fn device(&self) -> Result<String, GuestError> {
        self.disk.as_ref().map(|disk| disk.device.clone()).ok_or_else(|| GuestError::Call {
            call: "use the disk".to_owned(),
            message: "no disk is attached".to_owned(),
        })
    }

    fn next_node(&mut self) -> String {
        self.nodes += 1;
        format!("gold{}", self.nodes)
    }

    /// Attaches a qcow2 file.
    pub(super) fn attach_disk(&mut self, disk: &Path) -> Result<(), GuestError> {
        const CALL: &str = "attach the disk";
        if let Some(disk) = self.disk.take() {
            self.unplug(CALL, DISK_TARGET, &disk.device, &disk.first)?;
        }
        let node = self.next_node();
        let block = json!({
            "driver": "qcow2",
            "node-name": node,
            "discard": "unmap",
            // A complete layer is synced once when it is stored. An incomplete one is worth nothing.
            "cache": { "no-flush": true },
            "file": { "driver": "file", "filename": text(disk)?, "discard": "unmap" },
        });
        let device = self.plug(CALL, DISK_TARGET, &node, &block)?;
        self.disk = Some(Disk { device, first: node.clone(), current: node });
        Ok(())
    }

    /// Gives the appliance a file of the host as a read-only disk during `work`. That is faster than sending the file, and only
    /// the used bytes are read.
    pub(super) fn with_file<T>(
        &mut self,
        call: &str,
        file: &Path,
        work: impl FnOnce(&mut Self, &str) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        let block = json!({
            "driver": "raw",
            "read-only": true,
            "file": { "driver": "file", "filename": text(file)?, "read-only": true },
        });
        self.with_disk(call, block, work)
    }

    /// Gives the appliance a raw file of the host as a writable disk. Zeros become holes.
    pub(super) fn with_scratch<T>(
        &mut self,
        call: &str,
        file: &Path,
        work: impl FnOnce(&mut Self, &str) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        let block = json!({
            "driver": "raw",
            "discard": "unmap",
            "detect-zeroes": "unmap",
            "cache": { "no-flush": true },
            "file": { "driver": "file", "filename": text(file)?, "discard": "unmap" },
        });
        self.with_disk(call, block, work)
    }

    fn with_disk<T>(
        &mut self,
        call: &str,
        mut block: Value,
        work: impl FnOnce(&mut Self, &str) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        let node = self.next_node();
        block["node-name"] = json!(node);
        let device = self.plug(call, ARCHIVE_TARGET, &node, &block)?;
        let result = work(self, &device);
        let unplugged = self.unplug(call, ARCHIVE_TARGET, &device, &node);
        result.and_then(|value| unplugged.map(|()| value))
    }

    /// Attaches a disk and returns its device in the guest.
    fn plug(&mut self, call: &str, target: u32, node: &str, block: &Value) -> Result<String, GuestError> {
        self.qmp(call, "blockdev-add", block)?;
        let id = format!("scsi{target}");
        // By default, QEMU stops the machine if the host's disk is full, and the build would wait for its deadline.
        let device = json!({
            "driver": "scsi-hd", "bus": "scsi.0", "scsi-id": target, "drive": node, "id": id, "werror": "report",
        });
        let plugged = self.qmp(call, "device_add", &device);
        if plugged.is_err() {
            self.qmp(call, "blockdev-del", &json!({ "node-name": node }))?;
        }
        plugged?;
        Ok(self.appliance(call, &plugging::find_disk(target, target == DISK_TARGET))?.trim().to_owned())
    }

    fn unplug(&mut self, call: &str, target: u32, device: &str, node: &str) -> Result<(), GuestError> {
        // The guest removes the device first. Otherwise it would find errors there.
        let name = device.trim_start_matches("/dev/");
        self.appliance(call, &plugging::forget(name))?;
        let id = format!("scsi{target}");
        self.qmp(call, "device_del", &json!({ "id": id }))?;
        let deleted = self.qmp.wait_device_deleted(&id);
        deleted.map_err(|error| self.explain_qmp(call, &error))?;
        self.qmp(call, "blockdev-del", &json!({ "node-name": node }))
    }

    /// Freezes the current file as a layer, and continues in `next`, an existing overlay of it.
    ///
    /// For this, the file systems become read-only. That writes all data, empties the journals of ext4 and xfs, clears vfat's
    /// dirty flag, and takes half the time of unmounting and mounting. `fsfreeze` does not work: vfat cannot be frozen, and xfs
    /// keeps a dirty log.
    pub(super) fn freeze_disk(&mut self, next: &Path) -> Result<(), GuestError> {
        const CALL: &str = "freeze the layer";
        self.device()?;
        let current = self.disk.as_ref().map(|disk| disk.current.clone()).unwrap_or_default();
        let node = self.next_node();
        let snapshot = json!({
            "node-name": current,
            "snapshot-file": text(next)?,
            "snapshot-node-name": node,
            "format": "qcow2",
            "mode": "existing",
        });
        if self.mounted.is_empty() {
            self.qmp(CALL, "blockdev-snapshot-sync", &snapshot)?;
        } else {
            let frozen = match self.appliance(CALL, &script::remount(&self.mounted, "ro")) {
                Ok(_) => self.qmp(CALL, "blockdev-snapshot-sync", &snapshot),
                Err(error) => Err(error),
            };
            // Also after a failure: then the user can examine the image in its old state.
            let thawed = self.appliance(CALL, &script::remount(&self.mounted, "rw"));
            frozen.and(thawed.map(drop))?;
        }
        if let Some(disk) = &mut self.disk {
            disk.current = node;
        }
        Ok(())
    }
}
