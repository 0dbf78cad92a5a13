//! The registry of model families: a name such as `resnet8-8` or `mlp-512x7` becomes a network.

/// A parsed model name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {}

/// Parses a model's name.
///
/// # Errors
/// What is wrong with the name and what is meant to stand there.
pub fn parse(name: &str) -> Result<Model, String> {
    Err(format!("no model `{name}`"))
}
