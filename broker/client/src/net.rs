//! Where sockets and tasks come from: tokio, or the simulation.

#[cfg(feature = "simulation")]
pub(crate) use milena_world::{
    net::{OwnedReadHalf, OwnedWriteHalf, TcpStream},
    task::spawn,
};
#[cfg(not(feature = "simulation"))]
pub(crate) use tokio::{
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    spawn,
};
