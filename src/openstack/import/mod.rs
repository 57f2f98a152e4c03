//! Imports: the service fetches the data of an image itself, and Goldsmith waits. Image Service API v2, "Interoperable image
//! import".
//!
//! The service accepts the request at once and works on. The image and its tasks show the progress.

mod calls;
mod error;
mod request;
mod task;
mod verdict;

pub use self::task::{Progress, Task};
pub use calls::{IMPORT_TIMEOUT, Imported, Watch, writable};
pub use error::ImportError;
pub use request::{Import, Method, Stores};
