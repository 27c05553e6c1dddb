//! Messages in files.

use std::path::Path;

use serde_json::Value;

/// The messages of a folder by name, in the order of their files' names.
pub(super) fn read(folder: &Path) -> Vec<(String, Result<Value, String>)> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let why = format!("the folder cannot be read: {error}");
            return vec![(folder.display().to_string(), Err(why))];
        }
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    paths.iter().flat_map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> Vec<(String, Result<Value, String>)> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return vec![(name.into_owned(), Err(error.to_string()))],
    };
    match serde_json::from_str(&text) {
        Ok(Value::Array(messages)) => {
            let numbered = |(at, message)| (format!("{name}#{at}"), Ok(message));
            (1..).zip(messages).map(numbered).collect()
        }
        Ok(message) => vec![(name.into_owned(), Ok(message))],
        Err(error) => vec![(name.into_owned(), Err(format!("it is no JSON: {error}")))],
    }
}
