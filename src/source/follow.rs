//! Following one log file in the caller's thread, across rotation: for `cat --follow`.
//!
//! What is to be done is decided as for `serve --tail` ([`plan`](super::tail::plan)); blocks come as soon as their segments are whole.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::buffer::spare_capacity;

use super::blocks::{Assembler, Block, Buffers, Options};
use super::tail::plan::{From, Ident, Plan, Standing, Step};
use super::tail::watch::Watch;
use super::tail::{LEFT, OFTEN, RARELY, ident_at, ident_of};
use crate::wire::resync::Scanner;

/// The blocks of a file that grows, and of those that take its name: never ends but by an error. A block's offset is that in its own file.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    plan: Plan,
    watch: Watch,
    is_heard: bool,
    files: Vec<Following>,
    ready: VecDeque<Block>,
    index: u64,
    segment_max: usize,
    buffers: Buffers,
}

#[derive(Debug)]
struct Following {
    ident: Ident,
    file: File,
    assembler: Assembler,
    /// Where it was entered: what is skipped there is the end of a segment that was begun before.
    entered: Option<u64>,
}

impl Follow {
    /// Follows a path, whose file need not be there yet; what is in it already comes first if `from_start`.
    ///
    /// # Errors
    ///
    /// If a file is there and can't be read.
    pub fn open(path: &Path, from_start: bool, options: &Options) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let mut follow = Self {
            path,
            plan: Plan::new(if from_start { From::Start } else { From::End }),
            watch: Watch::open(),
            is_heard: false,
            files: Vec::new(),
            ready: VecDeque::new(),
            index: 0,
            segment_max: options.segment_max,
            buffers: Buffers::default(),
        };
        follow.look(&[])?;
        Ok(follow)
    }

    /// Where to give blocks back.
    pub fn buffers(&self) -> Buffers {
        self.buffers.clone()
    }

    /// Looks at what has the name, and does what is to be done.
    fn look(&mut self, moved: &[(PathBuf, PathBuf)]) -> io::Result<()> {
        self.is_heard = self.watch.set(self.path.parent().map(Path::to_owned));
        let mut new: Vec<(Ident, File)> = Vec::new();
        let mut there = |path: &Path| -> io::Result<Option<Ident>> {
            match ident_at(path) {
                Some(ident) if !self.plan.knows(ident) => match File::open(path) {
                    Ok(file) => {
                        // It may have changed since.
                        let ident = ident_of(&file.metadata()?);
                        new.push((ident, file));
                        Ok(Some(ident))
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error),
                },
                known => Ok(known),
            }
        };
        let mut were = Vec::new();
        for (_, to) in moved.iter().filter(|(from, _)| *from == self.path) {
            were.extend(there(to)?);
        }
        let named = there(&self.path)?;
        let standing = |ident| {
            let of = self.files.iter().find(|of| of.ident == ident)?;
            Some(Standing { read_to: of.assembler.end(), len: of.file.metadata().ok()?.len() })
        };
        for step in self.plan.look(Instant::now(), &were, named, standing) {
            match step {
                Step::Open(ident, from) => {
                    if let Some(at) = new.iter().position(|(of, _)| *of == ident) {
                        let file = new.swap_remove(at).1;
                        let offset = if from == From::End { file.metadata()?.len() } else { 0 };
                        let assembler = self.assembler(offset);
                        self.files.push(Following { ident, file, assembler, entered: (offset > 0).then_some(offset) });
                    }
                }
                Step::Restart(ident) => {
                    let anew = self.assembler(0);
                    if let Some(at) = self.files.iter().position(|of| of.ident == ident) {
                        self.end(at, anew);
                    }
                }
                Step::Close(ident) => {
                    let none = self.assembler(0);
                    if let Some(at) = self.files.iter().position(|of| of.ident == ident) {
                        self.end(at, none);
                        self.files.remove(at);
                    }
                }
            }
        }
        Ok(())
    }

    fn assembler(&self, offset: u64) -> Assembler {
        let scanner = Scanner::live(self.segment_max);
        Assembler::new(if offset > 0 { scanner.inside() } else { scanner }, offset, self.buffers.clone())
    }

    /// Nothing follows what is there of a file.
    fn end(&mut self, at: usize, next: Assembler) {
        let mut blocks = Vec::new();
        std::mem::replace(&mut self.files[at].assembler, next).finish(&mut blocks);
        self.hand_out(at, blocks);
        self.files[at].entered = None;
    }

    fn hand_out(&mut self, at: usize, blocks: Vec<Block>) {
        for mut block in blocks {
            if let Some(entered) = self.files[at].entered.take() {
                block.damage.retain(|damage| damage.offset != entered || damage.cut);
                if block.segments.is_empty() && block.damage.is_empty() {
                    continue;
                }
            }
            block.index = self.index;
            self.index += 1;
            self.ready.push_back(block);
        }
    }

    /// Reads on, file by file, until there is a block. False if all are at their end.
    fn read(&mut self) -> io::Result<bool> {
        for at in 0..self.files.len() {
            loop {
                let (mut blocks, mut bytes) = (Vec::new(), self.buffers.take());
                let of = &mut self.files[at];
                let count = match rustix::io::pread(&of.file, spare_capacity(&mut bytes), of.assembler.end()) {
                    Err(rustix::io::Errno::INTR) => continue,
                    count => count?,
                };
                if count > 0 {
                    of.assembler.push(bytes, &mut blocks);
                } else {
                    self.buffers.put(bytes);
                    of.assembler.flush(&mut blocks);
                }
                self.hand_out(at, blocks);
                if !self.ready.is_empty() {
                    return Ok(true);
                }
                if count == 0 {
                    break;
                }
            }
        }
        Ok(false)
    }

    /// Waits until something may have happened, and looks what.
    fn wait(&mut self) -> io::Result<()> {
        let patience = if !self.is_heard {
            OFTEN
        } else if self.plan.due().is_some() {
            LEFT
        } else {
            RARELY
        };
        self.watch.wait(None, patience)?;
        let news = self.watch.news();
        self.look(&news.moved)
    }
}

impl Iterator for Follow {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        loop {
            if let Some(block) = self.ready.pop_front() {
                return Some(Ok(block));
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => {
                    if let Err(error) = self.wait() {
                        return Some(Err(error));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
