//! The reader: sees what is committed and never waits for the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use super::queue::{Next, Waiting};

/// One thing to read; it tells its caller itself.
pub(super) type Reading = Box<dyn FnOnce(&Connection) + Send>;

/// Serves the queue until it is closed and empty.
pub(super) fn serve(connection: &Connection, queue: &Waiting<Reading>) {
    while let Next::These(readings) = queue.next(1, None) {
        // Should it panic, its caller finds his reply gone; the others are served.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            for reading in readings {
                reading(connection);
            }
        }));
        // A transaction left open would show the same old state to everybody after.
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(target: "postback::store", %error, "SQLite could not end a read");
        }
    }
}
