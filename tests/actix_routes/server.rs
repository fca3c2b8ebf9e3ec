//! An app behind a real socket.

use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use actix_web::{App, HttpServer, Route};
use tokio::sync::oneshot;

/// A route on a port of its own, for as long as the test lasts.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(route: impl Fn() -> Route + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let server = async move {
                let app = move || App::new().route("/{endpoint:.*}", route());
                HttpServer::new(app)
                    .workers(1)
                    .shutdown_timeout(0)
                    .shutdown_signal(async {
                        let _ = stopped.await;
                    })
                    .listen(listener)?
                    .run()
                    .await
            };
            actix_web::rt::System::new().block_on(server).unwrap();
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
