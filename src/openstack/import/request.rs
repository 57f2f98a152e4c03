//! The request for an import: the source of the data, and the stores that get it.

use serde_json::{Value, json};

/// The source of the data of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Staged data: [`Cloud::stage`](crate::openstack::Cloud::stage).
    GlanceDirect,
    /// A URL, which the service must reach.
    WebDownload(String),
    /// An image at the image service of another region.
    GlanceDownload {
        /// The region.
        region: String,
        /// Id of the image there.
        image: String,
        /// Interface of that region's service: `public`, `internal`, `admin`.
        interface: String,
    },
    /// A store that has the data; it is copied to other stores.
    CopyImage,
}

/// The stores that get the data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stores {
    /// The store that the service prefers.
    #[default]
    Preferred,
    /// The stores with these names.
    Named(Vec<String>),
    /// All stores of the service.
    All,
}

/// A request for an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Source of the data.
    pub method: Method,
    /// Stores that get the data.
    pub stores: Stores,
    /// Whether the import fails if one store fails; otherwise only if all do.
    pub all_must_succeed: bool,
}

impl Method {
    /// Returns the name of the method in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GlanceDirect => "glance-direct",
            Self::WebDownload(_) => "web-download",
            Self::GlanceDownload { .. } => "glance-download",
            Self::CopyImage => "copy-image",
        }
    }
}

/// Makes the request for an import: Image Service API v2, "Import an image".
pub(super) fn request(import: &Import) -> Value {
    let mut method = json!({ "name": import.method.name() });
    match &import.method {
        Method::WebDownload(url) => method["uri"] = json!(url),
        Method::GlanceDownload { region, image, interface } => {
            method["glance_region"] = json!(region);
            method["glance_image_id"] = json!(image);
            method["glance_service_interface"] = json!(interface);
        }
        Method::GlanceDirect | Method::CopyImage => {}
    }
    let mut request = json!({ "method": method });
    match &import.stores {
        Stores::Preferred => return request,
        Stores::Named(names) => request["stores"] = json!(names),
        Stores::All => request["all_stores"] = json!(true),
    }
    request["all_stores_must_succeed"] = json!(import.all_must_succeed);
    request
}
