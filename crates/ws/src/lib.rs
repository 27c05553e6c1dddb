//! WebSocket media sockets for the telephony crates, on tungstenite
