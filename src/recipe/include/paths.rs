//! Paths in included files: they begin in the folder of the file that they are written in.

use std::path::Path;

use super::files::Files;
use crate::digest::Sha256;
use crate::recipe::publish::Target;
use crate::recipe::schema::{BaseFile, ImageBase, RecipeFile};
use crate::yaml::Node;

/// Returns whether the text of a file is a path that begins in a folder, not a URL or a digest.
pub(in crate::recipe) fn is_relative(text: &str) -> bool {
    Path::new(text).is_relative() && !text.contains("://") && Sha256::parse(text).is_none()
}

/// Makes paths that an included file gives begin in the folder of the recipe. `head` is the tree that the recipe was decoded from.
pub(in crate::recipe) fn relocate(file: &mut RecipeFile, head: &Node, files: &Files) {
    let moved = |node: Option<&Node>, path: &mut String| {
        if let Some(node) = node.filter(|_| is_relative(path)) {
            *path = files.at(node.span.start).dir.join(&*path).to_string_lossy().into_owned();
        }
    };
    let base = |kind: &str, key: &str| head.get("base")?.get(kind)?.get(key);
    match &mut file.base {
        BaseFile::Image(ImageBase::Named(_)) | BaseFile::Glance(_) => {}
        BaseFile::Image(ImageBase::File(image)) => {
            moved(base("image", "source"), &mut image.source);
            moved(base("image", "sha256"), &mut image.sha256);
            image.signed_by.iter_mut().for_each(|path| moved(base("image", "signed-by"), path));
        }
        BaseFile::Tree(tree) => {
            moved(base("tree", "source"), &mut tree.source);
            tree.sha256.iter_mut().for_each(|path| moved(base("tree", "sha256"), path));
            tree.signed_by.iter_mut().for_each(|path| moved(base("tree", "signed-by"), path));
        }
        BaseFile::Container(container) => {
            if let Some(node) = base("container", "source") {
                container.move_below(&files.at(node.span.start).dir);
            }
        }
        BaseFile::Installer(installer) => {
            let node =
                |keys: &[&str]| keys.iter().try_fold(head.get("base")?.get("installer")?, |node, key| node.get(key));
            installer.move_paths(&mut |keys, path| moved(node(keys), path));
        }
        BaseFile::Recipe(recipe) => moved(base("recipe", "source"), &mut recipe.source),
        BaseFile::Bootstrap(bootstrap) => {
            bootstrap.keyring.iter_mut().for_each(|path| moved(base("bootstrap", "keyring"), path));
            let authority = bootstrap.certificate_authority.iter_mut();
            authority.for_each(|path| moved(base("bootstrap", "certificate-authority"), path));
        }
    }
    for (name, secret) in &mut file.secrets {
        if let Some(node) = head.get("secrets").and_then(|secrets| secrets.get(name)?.get("file")) {
            *secret = secret.clone().below(&files.at(node.span.start).dir);
        }
    }
}

/// Makes the paths of a target, which was decoded from a tree, begin in the folder of the recipe.
pub(in crate::recipe) fn relocated(target: Target, node: &Node, files: &Files) -> Target {
    target.below(&files.at(node.span.start).dir)
}
