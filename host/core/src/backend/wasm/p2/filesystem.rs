//! `wasi:filesystem` over the workspace, which makes every decision about files.

use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::bindings::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize, HostDescriptor,
    HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use super::bindings::{preopens, types};
use super::descriptor::{Descriptor, Entries, descriptor_stat, follow, metadata_hash, new_time, open_how, position};
use super::error::{Failure, code_of};
use super::file_streams::{FileInput, FileOutput, Place};
use super::{CHUNK, State};
use crate::workspace::{Directory, Errno, NewTime, Opened, Sync as Extent};

type Result<T> = std::result::Result<T, Failure>;

impl State {
    /// The directory which a call resolves `path` in; the guest is charged for the length of the path.
    fn at(&mut self, base: &Resource<Descriptor>, path: &str) -> Result<&Directory> {
        self.process.meter().charge_bytes(path.len());
        Ok(self.table.get(base)?.directory()?)
    }

    /// As `at`, for the calls which have two of them.
    fn at_both(
        &mut self,
        (from, from_path): (&Resource<Descriptor>, &str),
        (to, to_path): (&Resource<Descriptor>, &str),
    ) -> Result<(&Directory, &Directory)> {
        self.process
            .meter()
            .charge_bytes(from_path.len().saturating_add(to_path.len()));
        Ok((self.table.get(from)?.directory()?, self.table.get(to)?.directory()?))
    }

    /// New times of a file; now is what the guest's clock says.
    fn new_times(&self, accessed: NewTimestamp, modified: NewTimestamp) -> Result<(NewTime, NewTime)> {
        let (accessed, modified) = (new_time(accessed)?, new_time(modified)?);
        Ok(self.process.clocks.file_times(accessed, modified))
    }

    fn output(&mut self, fd: &Resource<Descriptor>, place: Place) -> Result<Resource<DynOutputStream>> {
        let descriptor = self.table.get(fd)?;
        let file = descriptor.writable()?.clone();
        let stream = FileOutput::new(
            file,
            place,
            descriptor.synced_by_writes(),
            Arc::clone(&self.process.job.record),
        );
        Ok(self.push(Box::new(stream) as DynOutputStream)?)
    }

    async fn sync_descriptor(&mut self, fd: &Resource<Descriptor>, extent: Extent) -> Result<()> {
        match &self.table.get(fd)?.opened {
            Opened::File(file) => file.clone().sync(extent).await?,
            Opened::Directory(directory) => directory.clone().sync().await?,
        }
        Ok(())
    }
}

impl preopens::Host for State {
    /// Opened when asked for: most tools never do.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let preopens = self.process.job.workspace.preopens(&self.process.job.record)?;
        preopens
            .into_iter()
            .map(|(name, directory)| Ok((self.push(Descriptor::preopen(directory))?, name)))
            .collect()
    }
}

impl types::Host for State {
    fn convert_error_code(&mut self, failure: Failure) -> wasmtime::Result<ErrorCode> {
        match failure {
            Failure::Code(code) => Ok(code),
            Failure::Trap(error) => Err(error),
        }
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<Errno>().copied().map(code_of))
    }
}

impl HostDescriptor for State {
    fn read_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> Result<Resource<DynInputStream>> {
        let file = self.table.get(&fd)?.readable()?.clone();
        let stream = FileInput::new(file, position(offset)?, Arc::clone(&self.process.job.record));
        Ok(self.push(Box::new(stream) as DynInputStream)?)
    }

    fn write_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> Result<Resource<DynOutputStream>> {
        self.output(&fd, Place::At(position(offset)?))
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> Result<Resource<DynOutputStream>> {
        self.output(&fd, Place::End)
    }

    /// Advice changes nothing but the speed, and the host knows the machine's memory better than a guest does.
    fn advise(&mut self, fd: Resource<Descriptor>, offset: Filesize, length: Filesize, _: Advice) -> Result<()> {
        self.table.get(&fd)?.file()?;
        position(offset)?;
        position(length)?;
        Ok(())
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> Result<()> {
        self.sync_descriptor(&fd, Extent::Data).await
    }

    fn get_flags(&mut self, fd: Resource<Descriptor>) -> Result<DescriptorFlags> {
        Ok(self.table.get(&fd)?.flags)
    }

    fn get_type(&mut self, fd: Resource<Descriptor>) -> Result<DescriptorType> {
        Ok(match &self.table.get(&fd)?.opened {
            Opened::File(_) => DescriptorType::RegularFile,
            Opened::Directory(_) => DescriptorType::Directory,
        })
    }

    fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> Result<()> {
        Ok(self.table.get(&fd)?.writable()?.set_size(position(size)?)?)
    }

    fn set_times(&mut self, fd: Resource<Descriptor>, accessed: NewTimestamp, modified: NewTimestamp) -> Result<()> {
        let (accessed, modified) = self.new_times(accessed, modified)?;
        match &self.table.get(&fd)?.opened {
            Opened::File(file) => file.set_times(accessed, modified)?,
            Opened::Directory(directory) => directory.own_set_times(accessed, modified)?,
        }
        Ok(())
    }

    /// At most [`CHUNK`] bytes; the end of the file is where nothing more is read.
    fn read(&mut self, fd: Resource<Descriptor>, length: Filesize, offset: Filesize) -> Result<(Vec<u8>, bool)> {
        let file = self.table.get(&fd)?.readable()?;
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(CHUNK).min(CHUNK)];
        let read = file.read_at(&mut buffer, position(offset)?)?;
        buffer.truncate(read);
        self.process.meter().count_read(read);
        Ok((buffer, read == 0))
    }

    async fn write(&mut self, fd: Resource<Descriptor>, bytes: Vec<u8>, offset: Filesize) -> Result<Filesize> {
        let descriptor = self.table.get(&fd)?;
        let file = descriptor.writable()?;
        let written = file.write_at(&bytes, position(offset)?)?;
        let to_sync = descriptor.synced_by_writes().map(|extent| (file.clone(), extent));
        self.process.meter().count_written(written);
        if let Some((file, extent)) = to_sync {
            file.sync(extent).await?;
        }
        Ok(written as u64)
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> Result<Resource<Entries>> {
        let listing = self.table.get(&fd)?.directory()?.list_in_slices().await?;
        Ok(self.push(Entries::new(listing))?)
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> Result<()> {
        self.sync_descriptor(&fd, Extent::All).await
    }

    fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> Result<()> {
        Ok(self.at(&fd, &path)?.create_dir(&path)?)
    }

    fn stat(&mut self, fd: Resource<Descriptor>) -> Result<DescriptorStat> {
        Ok(descriptor_stat(&self.table.get(&fd)?.stat()?))
    }

    fn stat_at(&mut self, fd: Resource<Descriptor>, flags: PathFlags, path: String) -> Result<DescriptorStat> {
        Ok(descriptor_stat(&self.at(&fd, &path)?.stat(&path, follow(flags))?))
    }

    fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Result<()> {
        let (accessed, modified) = self.new_times(accessed, modified)?;
        Ok(self
            .at(&fd, &path)?
            .set_times(&path, follow(flags), accessed, modified)?)
    }

    fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        old_path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> Result<()> {
        let (old, new) = self.at_both((&fd, &old_path), (&new_fd, &new_path))?;
        Ok(old.hard_link(&old_path, follow(flags), new, &new_path)?)
    }

    fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Resource<Descriptor>> {
        let (how, flags) = open_how(path_flags, open_flags, flags)?;
        let opened = self.at(&fd, &path)?.open(&path, how)?;
        if how.write && matches!(opened, Opened::Directory(_)) {
            return Err(ErrorCode::IsDirectory.into());
        }
        Ok(self.push(Descriptor::new(opened, flags))?)
    }

    fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> Result<String> {
        Ok(self.at(&fd, &path)?.read_link(&path)?)
    }

    fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> Result<()> {
        Ok(self.at(&fd, &path)?.remove_dir(&path)?)
    }

    fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        old_path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> Result<()> {
        let (old, new) = self.at_both((&fd, &old_path), (&new_fd, &new_path))?;
        Ok(old.rename(&old_path, new, &new_path)?)
    }

    fn symlink_at(&mut self, fd: Resource<Descriptor>, target: String, path: String) -> Result<()> {
        self.process.meter().charge_bytes(target.len());
        Ok(self.at(&fd, &path)?.symlink(&target, &path)?)
    }

    fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> Result<()> {
        Ok(self.at(&fd, &path)?.unlink(&path)?)
    }

    fn is_same_object(&mut self, fd: Resource<Descriptor>, other: Resource<Descriptor>) -> wasmtime::Result<bool> {
        Ok(match (&self.table.get(&fd)?.opened, &self.table.get(&other)?.opened) {
            (Opened::File(file), Opened::File(other)) => file.is_same(other),
            (Opened::Directory(directory), Opened::Directory(other)) => directory.is_same(other),
            (Opened::File(_), Opened::Directory(_)) | (Opened::Directory(_), Opened::File(_)) => false,
        })
    }

    fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> Result<MetadataHashValue> {
        Ok(metadata_hash(self.table.get(&fd)?.identity()?))
    }

    fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Result<MetadataHashValue> {
        let directory = self.at(&fd, &path)?;
        Ok(metadata_hash(
            directory.identity(&directory.stat(&path, follow(flags))?),
        ))
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(fd)?;
        Ok(())
    }
}

impl HostDirectoryEntryStream for State {
    fn read_directory_entry(&mut self, entries: Resource<Entries>) -> Result<Option<DirectoryEntry>> {
        Ok(self.table.get_mut(&entries)?.next())
    }

    fn drop(&mut self, entries: Resource<Entries>) -> wasmtime::Result<()> {
        self.table.delete(entries)?;
        Ok(())
    }
}
