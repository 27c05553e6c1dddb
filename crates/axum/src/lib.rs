//! Webhooks and media routes for any phone carrier, on axum
