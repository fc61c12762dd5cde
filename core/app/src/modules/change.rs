//! Changes made by command: what is asked for, checked by the rules of the file, becomes what is wanted.
//!
//! Invariant: nothing here touches what runs; the overseer plans and puts in force what comes out.

use super::Wanted;
use crate::config::{
    module_command::{of_command, set_key, shape_of},
    modules::KINDS,
    resolve::word,
    shape::ModuleShape,
    suggest::nearest,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A change of the modules in force.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(tag = "change", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Change {
    /// One more module.
    Load {
        /// Its name.
        name: String,
        /// `builtin:NAME` or an absolute path.
        library: String,
        /// Keys of its table other than these, such as `runtime`.
        #[serde(default)]
        settings: BTreeMap<String, String>,
        /// Its options, dotted.
        #[serde(default)]
        options: BTreeMap<String, String>,
        /// Before which of those in force, from 0; behind all when left out.
        #[serde(default)]
        position: Option<usize>,
    },
    /// One module less.
    Unload {
        /// Its name.
        name: String,
    },
    /// Other options.
    Reconfigure {
        /// Its name.
        name: String,
        /// Options to be set.
        #[serde(default)]
        options: BTreeMap<String, String>,
        /// Options to be removed.
        #[serde(default)]
        unset: Vec<String>,
    },
    /// Other keys of its table, such as `runtime`.
    Set {
        /// Its name.
        name: String,
        /// Keys and values as written.
        settings: BTreeMap<String, String>,
    },
}

impl Change {
    /// The module it is about.
    pub(crate) fn name(&self) -> &str {
        match self {
            Change::Load { name, .. }
            | Change::Unload { name }
            | Change::Reconfigure { name, .. }
            | Change::Set { name, .. } => name,
        }
    }

    /// Whether it chooses a runtime.
    pub(crate) fn chooses_runtime(&self) -> bool {
        match self {
            Change::Load { .. } | Change::Unload { .. } => true,
            Change::Set { settings, .. } => settings.contains_key("runtime"),
            Change::Reconfigure { .. } => false,
        }
    }

    /// What is wanted when this is asked for.
    ///
    /// # Errors
    /// What is wrong, a line each.
    pub(crate) fn apply(&self, mut wanted: Wanted) -> Result<Wanted, Vec<String>> {
        if let Change::Load {
            name,
            library,
            settings,
            options,
            position,
        } = self
        {
            if wanted.members.iter().any(|m| *m.spec.name == **name) {
                return Err(vec![format!(
                    "there is a module called {name:?} already; choose another name, or unload it first"
                )]);
            }
            let most = wanted.members.len();
            let at = position.unwrap_or(most);
            if at > most {
                return Err(vec![format!(
                    "position {at} is behind the end; write a number from 0 to {most}"
                )]);
            }
            let mut shape = ModuleShape {
                name: Some(name.clone()),
                library: Some(library.clone()),
                ..ModuleShape::default()
            };
            for (key, value) in settings {
                set_key(&mut shape, key, value).map_err(|why| vec![why])?;
            }
            wanted
                .members
                .insert(at, of_command(shape, options.clone())?);
            return Ok(wanted);
        }
        let at = find(&wanted, self.name())?;
        match self {
            Change::Load { .. } => {}
            Change::Unload { .. } => {
                wanted.members.remove(at);
            }
            Change::Reconfigure { options, unset, .. } => {
                let of = &mut wanted.members[at].spec.options;
                for name in unset {
                    if of.remove(name).is_none() {
                        return Err(vec![format!("there is no option called {name:?} to unset")]);
                    }
                }
                of.extend(options.clone());
            }
            Change::Set { settings, .. } => {
                let module = &mut wanted.members[at];
                let kind = match settings.get("runtime") {
                    Some(text) => word(KINDS)(text)
                        .map_err(|f| vec![format!("runtime: {}; {}", f.message, f.cure)])?,
                    None => module.spec.kind,
                };
                let mut shape = shape_of(&module.spec, kind);
                for (key, value) in settings {
                    set_key(&mut shape, key, value).map_err(|why| vec![why])?;
                }
                module.spec = of_command(shape, module.spec.options.clone())?.spec;
            }
        }
        Ok(wanted)
    }
}

fn find(wanted: &Wanted, name: &str) -> Result<usize, Vec<String>> {
    let at = wanted.members.iter().position(|m| *m.spec.name == *name);
    at.ok_or_else(|| {
        let known: Vec<&str> = wanted.members.iter().map(|m| &*m.spec.name).collect();
        let cure = match (nearest(name, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => format!("did you mean {near:?}?"),
            (None, true) => "no modules are loaded".to_owned(),
            (None, false) => format!("loaded are {}", known.join(", ")),
        };
        vec![format!("there is no module called {name:?}; {cure}")]
    })
}
