//! The `visulate` program; everything else is in the library.

use std::ffi::{c_int, c_long};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    give_back_soon();
    visulate::cli::run()
}

/// The option `mi_option_purge_delay` of mimalloc, milliseconds; the crate has no name for it.
const PURGE_DELAY: c_int = 15;

/// Milliseconds after which free memory goes back to the system, unless `MIMALLOC_PURGE_DELAY` says otherwise. By itself mimalloc waits a
/// second, in which a flood of keys takes new memory several times over: 368 MiB were resident of a program that had 266 with this, at
/// the cost of a tenth of the rate in the flood, and nothing otherwise (`scripts/stress-cardinality`, 8 million keys, `--memory 256M`).
const SOON: c_long = 10;

/// Makes the allocator give memory back soon.
#[expect(
    unsafe_code,
    reason = "the allocator's options have no safe way in, and it keeps a program within its memory: measured above"
)]
fn give_back_soon() {
    // SAFETY: the function is declared as in mimalloc.h and stores a number in a table of options; one that doesn't exist is ignored.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, SOON) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the option is now.
    #[expect(unsafe_code, reason = "as above")]
    fn purge_delay() -> c_long {
        // SAFETY: the function is declared as in mimalloc.h and reads a number from a table of options.
        unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }
    }

    #[test]
    fn the_number_is_that_of_the_delay() {
        assert_eq!(
            purge_delay(),
            1000,
            "mimalloc's own delay: another option has this number, or its usual value has changed"
        );
        give_back_soon();
        assert_eq!(purge_delay(), SOON);
    }
}
