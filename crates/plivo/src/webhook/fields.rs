//! What a request of Plivo's says, wherever it says it.

use http::Method;
use telephony_core::{Parameters, WebhookRequest};

/// The name of the query parameter by which we tell our own URLs apart. The query is signed with the URL.
pub(crate) const AFTER: &str = "after";
/// What it is in the URL at which a call that we placed begins.
pub(crate) const START: &str = "start";

/// What a request says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    /// What Plivo says: the form of a POST, the query of a GET.
    said: Parameters,
    /// The query of a POST's URL: what whoever configured the URL wrote there.
    query: Parameters,
    /// Which of our URLs this is.
    after: Option<String>,
}

impl Fields {
    pub(crate) fn read(request: &WebhookRequest) -> Self {
        let mut query = request.query();
        let after = query.get_filled(AFTER).map(str::to_owned);
        if after.is_some() {
            query.remove(AFTER);
        }
        if request.method == Method::GET {
            return Self {
                said: query,
                query: Parameters::default(),
                after,
            };
        }
        Self {
            said: Parameters::from_form(&request.body),
            query,
            after,
        }
    }

    /// A value that is there and not blank.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.said.get_filled(name)
    }

    /// Whether the name is there, blank or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.said.get(name).is_some()
    }

    /// Which of our URLs was asked.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// All of it for the app: what Plivo said, then the query of the URL, without what is ours.
    pub(crate) fn all(&self) -> Parameters {
        let mut all = self.said.clone();
        all.append(self.query.clone());
        all
    }
}

/// Whether the body is a form. Plivo says so; a body of which nothing is said is taken for one.
pub(crate) fn has_form(request: &WebhookRequest) -> bool {
    matches!(
        request.content_type().as_str(),
        "application/x-www-form-urlencoded" | ""
    )
}
