//! Writes OVA files: a virtual machine's description, its disk as a VMDK file, and checksums, in a tar file (DMTF, DSP0243, "Open
//! Virtualization Format Specification" 1.1.0).
//!
//! The description and the tar header before the disk contain the length of the disk, which is known only at the end. So the
//! writer reserves space for them, writes the disk at its place, and then fills them in. Nothing is copied. The digests are
//! computed from the finished file, while it is still in the host's page cache.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::vmdk::{MAX_SIZE, VmdkOptions, VmdkStream, file_name};
use crate::digest::Sha256;
use crate::image::digests::{Hasher, Kinds};
use crate::image::options::Adapter;
use crate::image::traits::FormatTraits;
use crate::image::write::{Disk, Stream};
use crate::image::{Sink, Written};
use crate::vocabulary::Firmware;

/// Unit of tar files.
const BLOCK: u64 = 512;

/// Length of a record, in bytes: tar files end with two empty blocks and padding to a multiple of this, as tar itself does.
const RECORD: u64 = 20 * BLOCK;

/// The properties of the format.
pub(in crate::image) const TRAITS: FormatTraits = FormatTraits {
    qemu: None,
    glance: Some(("vmdk", "ova")),
    max_size: MAX_SIZE,
    ..FormatTraits::disk("ova", &["adapter", "tools-version"])
};

/// Creates a writer.
pub(in crate::image) fn sink(
    options: &VmdkOptions,
    disk: &Disk<'_>,
    file: File,
    kinds: Kinds,
) -> io::Result<Box<dyn Sink>> {
    TRAITS.check_size(disk.size)?;
    Ok(Box::new(Ova::new(disk, options, file, kinds)?))
}

/// A writer of an OVA file.
#[derive(Debug)]
struct Ova {
    file: File,
    kinds: Kinds,
    vmdk: VmdkStream,
    description: Description,
    /// Position of the disk.
    base: u64,
}

/// The values in the description of the machine.
#[derive(Debug)]
struct Description {
    name: String,
    size: u64,
    populated: u64,
    adapter: Adapter,
    pc: bool,
    firmware: Option<Firmware>,
}

impl Ova {
    /// Writes the parts before the data of the disk.
    fn new(disk: &Disk<'_>, options: &VmdkOptions, file: File, kinds: Kinds) -> io::Result<Self> {
        let description = Description {
            name: file_name(disk.machine.name),
            size: disk.size,
            populated: disk.extents.total(),
            adapter: options.adapter,
            pc: disk.machine.arch == "x86_64",
            firmware: disk.machine.firmware,
        };
        let base = BLOCK + description.room().next_multiple_of(BLOCK) + BLOCK;
        // The manifest of an OVF package has only SHA-256.
        let stream = Stream::at(file.try_clone()?, base, Kinds::default())?;
        Ok(Self { file, kinds, vmdk: VmdkStream::new(disk, options, stream)?, description, base })
    }
}

impl Sink for Ova {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.vmdk.write(offset, data)
    }

    fn finish(self: Box<Self>) -> io::Result<Written> {
        let Self { file, kinds, vmdk, description, base } = *self;
        let disk = vmdk.end()?;
        let [ovf, vmdk, manifest] = description.file_names();

        let xml = description.padded_xml(disk.size);
        let mut head = member(&ovf, xml.as_bytes())?;
        head.extend_from_slice(&header(&vmdk, disk.size)?);
        debug_assert_eq!(head.len() as u64, base);
        file.write_all_at(&head, 0)?;

        // Either all of the rest follows the description, or the manifest is the last (DSP0243, 5.3).
        let sums = format!("SHA256({ovf})= {}\nSHA256({vmdk})= {}\n", Sha256::of(xml.as_bytes()), disk.digests.sha256);
        let tail = member(&manifest, sums.as_bytes())?;
        let at = (base + disk.size).next_multiple_of(BLOCK);
        file.write_all_at(&tail, at)?;
        let size = (at + tail.len() as u64 + 2 * BLOCK).next_multiple_of(RECORD);
        file.set_len(size)?;
        Ok(Written { size, digests: Hasher::of_file(&file, kinds)? })
    }
}

/// Returns a member of a tar file, padded to a whole block.
fn member(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = header(name, content.len() as u64)?;
    bytes.extend_from_slice(content);
    bytes.resize((bytes.len() as u64).next_multiple_of(BLOCK) as usize, 0);
    Ok(bytes)
}

/// Returns the header of a member. Its time is constant, so the same disk gives the same file. ustar has too few digits for 8 GiB
/// and more. Such a length is in GNU's notation, which VMware's and VirtualBox' tools read and write.
fn header(name: &str, size: u64) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header.as_bytes().to_vec())
}

impl Description {
    /// Returns the names of the description, the disk and the manifest.
    fn file_names(&self) -> [String; 3] {
        // A ustar header has a hundred bytes for a name.
        let name = &self.name[..self.name.len().min(80)];
        [format!("{name}.ovf"), format!("{name}-disk1.vmdk"), format!("{name}.mf")]
    }

    /// Returns the largest length of the description, for any length of the disk's file.
    fn room(&self) -> u64 {
        self.xml(u64::MAX).len() as u64
    }

    /// Returns the description, padded with empty lines to its largest length.
    fn padded_xml(&self, file_size: u64) -> String {
        let mut xml = self.xml(file_size);
        let missing = self.room() as usize - xml.len();
        xml.push_str(&"\n".repeat(missing));
        xml
    }

    fn xml(&self, file_size: u64) -> String {
        let Self { name, size, populated, .. } = self;
        let [_, vmdk, _] = self.file_names();
        // CIM_OperatingSystem: 101 is 64-bit Linux. VMware's own name is for PCs only.
        let vmware_os = if self.pc { " vmw:osType=\"otherLinux64Guest\"" } else { "" };
        let firmware = match self.firmware {
            Some(Firmware::Uefi) => {
                "\n      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/>"
            }
            Some(Firmware::Bios) => {
                "\n      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"bios\"/>"
            }
            None => "",
        };
        let (kind, controller, subtype) = match self.adapter {
            Adapter::Ide => (5, "IDE Controller", "PIIX4"),
            Adapter::Buslogic => (6, "SCSI Controller", "buslogic"),
            Adapter::Lsilogic => (6, "SCSI Controller", "lsilogic"),
            Adapter::Pvscsi => (6, "SCSI Controller", "VirtualSCSI"),
        };
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
    <File ovf:href="{vmdk}" ovf:id="file1" ovf:size="{file_size}"/>
  </References>
  <DiskSection>
    <Info>Virtual disks</Info>
    <Disk ovf:capacity="{size}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized" ovf:populatedSize="{populated}"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="VM Network">
      <Description>The network of the machine</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="101"{vmware_os}>
      <Info>The installed system</Info>
      <Description>Linux (64-bit)</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
        <rasd:Description>Number of virtual processors</rasd:Description>
        <rasd:ElementName>1 virtual CPU</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:Description>Memory</rasd:Description>
        <rasd:ElementName>1024 MB of memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1024</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:Description>{controller}</rasd:Description>
        <rasd:ElementName>{controller} 0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>{subtype}</rasd:ResourceSubType>
        <rasd:ResourceType>{kind}</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Hard disk 1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>7</rasd:AddressOnParent>
        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Connection>VM Network</rasd:Connection>
        <rasd:Description>Network adapter</rasd:Description>
        <rasd:ElementName>Network adapter 1</rasd:ElementName>
        <rasd:InstanceID>5</rasd:InstanceID>
        <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>{firmware}
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"#
        )
    }
}
