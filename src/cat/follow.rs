//! `--follow`: what is there, and what comes.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::pen::{Pen, Wish, zone_of};
use super::{End, Item, Log, put, sheet};
use crate::source::follow::Follow;

/// While nothing comes, it is looked so often whether anybody still reads.
const LOOK: Duration = Duration::from_secs(1);

/// Prints all files as they grow, until the output is closed.
pub(super) fn print(
    files: &[PathBuf],
    from_end: bool,
    wish: &Wish,
    output: &mut (impl Write + AsFd),
    log: &mut Log,
) -> Result<(), End> {
    // The one who finds files says what he can't read.
    let said = tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_target(false);
    // Another may have been set up before.
    let _ = said.with_max_level(tracing::Level::WARN).try_init();
    if files.iter().any(|path| path.as_os_str() == "-") {
        return Err(End::Refused(
            "the standard input can't be followed: leave out --follow, it is read to its end anyway".into(),
        ));
    }
    for path in files.iter().filter(|path| !path.exists() && !path.to_string_lossy().contains(['*', '?', '['])) {
        eprintln!("visulate: {}: isn't there yet, and is waited for", path.display());
    }
    let paths = files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut follow = Follow::start(paths, from_end).map_err(End::Unfollowable)?;
    let zone = zone_of(wish);
    let mut pen = Pen::new(wish, &zone);
    let mut text = Vec::new();
    loop {
        let Some((file, block)) = follow.next(LOOK) else {
            log.tell_silent();
            if is_closed(output) {
                return Err(End::Closed);
            }
            continue;
        };
        let item =
            block.map_or_else(|error| Item::Unreadable(file.clone(), error), |block| Item::Block(file.clone(), block));
        text = put(sheet(&mut pen, item, text), output, log)?;
    }
}

/// True if nobody reads the other end any more.
fn is_closed(output: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(output, PollFlags::empty())];
    // Whatever goes wrong here shows at the next write.
    let _ = poll(&mut polled, Some(&Timespec::default()));
    polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
