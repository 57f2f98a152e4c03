//! Transfer of image data to a service and back.
//!
//! A service may refuse data early, while it is still being sent, and close the connection. The client then sees only a broken
//! connection, not the reason. Therefore it looks for an answer after a failed write.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use ureq::http::{Method, Request};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport, time,
};
use ureq::{Agent, SendBody, Timeout};

use super::answer::{refused, unreachable};
use super::retry::retried;
use super::{Cloud, CloudError};
use crate::interrupt::Interrupt;

/// Pause between two checks of a transfer.
const POLL: Duration = Duration::from_millis(50);

/// Time to wait for an answer after a failed write. If there is one, it has already arrived.
const LATE: time::Duration = time::Duration::from_millis(500);

/// The data of a download.
pub(super) struct Data {
    /// Whether the data begins at the requested byte instead of the first one.
    pub(super) partial: bool,
    /// The data.
    pub(super) body: Box<dyn Read>,
}

impl Cloud {
    /// Requests data of the image service, from this byte on. An interrupt ends reading.
    pub(super) fn data(&self, path: &str, from: u64, interrupt: &Interrupt) -> Result<Data, CloudError> {
        let url = self.url(path);
        self.renew()?;
        retried(interrupt, || {
            let agent = self.download_agent();
            let stopped = agent.clone();
            interrupt.on_raise(move || stopped.shutdown());
            self.with_token(|token| {
                let mut request = Request::get(&url).header("X-Auth-Token", token.reveal());
                if from > 0 {
                    request = request.header("Range", format!("bytes={from}-"));
                }
                let request = request.body(SendBody::none()).map_err(ureq::Error::from);
                let answer = request.and_then(|request| agent.run(request));
                let answer = answer.map_err(|error| unreachable(&url, &error))?;
                if !answer.status().is_success() {
                    return Err(refused(&Method::GET, &url, answer, Some(token)));
                }
                let partial = answer.status().as_u16() == 206;
                Ok(Data { partial, body: Box::new(answer.into_body().into_reader()) })
            })
        })
    }

    /// Sends `size` bytes to the image service, into a store if one is named. It never uses chunked encoding: proxies before the
    /// service refuse it, or buffer all data first. It gives up when `stop` returns `true`.
    pub(super) fn put(
        &self,
        path: &str,
        size: u64,
        store: Option<&str>,
        data: &mut (impl Read + Send),
        mut stop: impl FnMut() -> bool,
    ) -> Result<(), CloudError> {
        let url = self.url(path);
        let token = self.token();
        let answered = Arc::new(AtomicBool::new(false));
        let connector = DefaultConnector::default().chain(Listening { answered: Arc::clone(&answered) });
        let agent = Agent::with_parts(self.upload_config(), connector, DefaultResolver::default());
        let mut body = Counted { data, left: size, answered };
        let mut send = |agent: &Agent| {
            let request = Request::put(&url)
                .header("X-Auth-Token", token.reveal())
                .header("Content-Type", "application/octet-stream")
                .header("Content-Length", size);
            let request = store.into_iter().fold(request, |request, store| request.header("X-Image-Meta-Store", store));
            let request = request.body(SendBody::from_reader(&mut body)).map_err(ureq::Error::from);
            let answer = request.and_then(|request| agent.run(request));
            let answer = answer.map_err(|error| unreachable(&url, &error))?;
            if answer.status().is_success() {
                return Ok(());
            }
            Err(refused(&Method::PUT, &url, answer, Some(&token)))
        };
        std::thread::scope(|scope| {
            let (sending, ended) = mpsc::channel::<()>();
            let sender = agent.clone();
            let sent = scope.spawn(move || {
                // The channel closes when this thread ends, however it ends.
                let _sending = sending;
                send(&sender)
            });
            while ended.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                if stop() {
                    agent.clone().shutdown();
                }
            }
            sent.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// A body of known size. After the service has answered, the rest is filled with anything, because it is not sent.
struct Counted<'a, R> {
    data: &'a mut R,
    left: u64,
    answered: Arc<AtomicBool>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = if self.answered.load(Ordering::Relaxed) { most } else { self.data.read(&mut buffer[..most])? };
        if count == 0 && most > 0 {
            // Otherwise the client would ask for more forever.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// A connector whose connections look for an early answer.
#[derive(Debug)]
struct Listening {
    answered: Arc<AtomicBool>,
}

impl<In: Transport> Connector<In> for Listening {
    type Out = Listener<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Listener<In>>, ureq::Error> {
        Ok(chained.map(|inner| Listener { inner, answered: Arc::clone(&self.answered) }))
    }
}

/// A connection that looks for an answer after a failed write, and then drops all further output.
#[derive(Debug)]
struct Listener<In> {
    inner: In,
    answered: Arc<AtomicBool>,
}

impl<In: Transport> Transport for Listener<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.answered.load(Ordering::Relaxed) {
            return Ok(());
        }
        let error = match self.inner.transmit_output(amount, timeout) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let late = NextTimeout { after: LATE, reason: Timeout::RecvResponse, per_read: None, per_write: None };
        if !matches!(self.inner.await_input(late), Ok(true)) {
            return Err(error);
        }
        self.answered.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
