//! The template engine: runs one template after the other with minijinja, within limits.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::machinery::{CodeGenerator, eval, make_string_output, parse, parse_expr};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::budget::{Budget, Excess};
use super::functions;
use super::guard::{Guard, require_small};

/// The engine of a recipe's templates. It makes its environment for the first template.
pub(super) struct Engine<'a> {
    environment: OnceCell<Environment<'static>>,
    context: OnceCell<Value>,
    values: &'a BTreeMap<String, serde_json::Value>,
    budget: Arc<Budget>,
}

/// The reason why a template has no value.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Names that the template uses and does not set.
    pub(super) names: Vec<String>,
    pub(super) excess: Option<Excess>,
    /// Place of the error in the template, if `error` has none.
    pub(super) range: Option<std::ops::Range<usize>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, names: Vec::new(), excess: None, range: None }
    }
}

pub(super) fn syntax() -> SyntaxConfig {
    let syntax = SyntaxConfig::builder().comment_delimiters("{##", "##}").keep_trailing_newline(true).build();
    syntax.unwrap_or_default()
}

impl<'a> Engine<'a> {
    pub(super) fn new(values: &'a BTreeMap<String, serde_json::Value>, budget: Arc<Budget>) -> Self {
        Self { environment: OnceCell::new(), context: OnceCell::new(), values, budget }
    }

    /// Returns whether no more templates can run.
    pub(super) fn is_spent(&self) -> bool {
        self.budget.is_spent()
    }

    /// The text that a template makes.
    pub(super) fn text(&self, text: &str) -> Result<String, Failure> {
        let syntax = syntax();
        require_small(text, false, &syntax)?;
        let parsed = parse(text, "<string>", syntax)?;
        let mut guard = Guard::default();
        let rebuilt = guard.statement(&parsed);
        let (shown, _) = self.run(text, &guard, |generator| generator.compile_stmt(&rebuilt))?;
        Ok(shown)
    }

    /// The value of an expression.
    pub(super) fn expression(&self, text: &str) -> Result<Value, Failure> {
        require_small(text, true, &syntax())?;
        let parsed = parse_expr(text)?;
        let mut guard = Guard::default();
        let rebuilt = guard.expression(&parsed);
        let (_, value) = self.run(text, &guard, |generator| generator.compile_expr(&rebuilt))?;
        let value = value.unwrap_or_default();
        let failed = |error| self.failure(error, &guard);
        if value.is_undefined() {
            return Err(failed(ErrorKind::UndefinedError.into()));
        }
        self.budget.count(&value).map_err(failed)?;
        Ok(value)
    }

    fn run<'t>(
        &self,
        text: &'t str,
        guard: &Guard,
        compile: impl FnOnce(&mut CodeGenerator<'t>),
    ) -> Result<(String, Option<Value>), Failure> {
        if let Some((why, span)) = guard.refused() {
            let range = Some(span.start_offset as usize..span.end_offset as usize);
            return Err(Failure { range, ..Error::new(ErrorKind::InvalidOperation, why).into() });
        }
        let mut generator = CodeGenerator::new("<string>", text);
        compile(&mut generator);
        let (instructions, blocks) = generator.finish();
        let fuel = self.budget.begin();
        let mut environment = self.environment.get_or_init(|| self.environment()).clone();
        environment.set_fuel(Some(fuel));
        let context = self.context.get_or_init(|| Value::from(minijinja::value::Serde(self.values))).clone();
        let mut shown = String::new();
        let mut output = make_string_output(&mut shown);
        let result = eval(&environment, &instructions, context, &blocks, &mut output, AutoEscape::None);
        let result = result.map(|(value, state)| (value, state.fuel_levels().map(|(taken, _)| taken)));
        match result {
            Ok((value, taken)) => {
                self.budget.end(taken);
                drop(output);
                Ok((shown, value))
            }
            Err(error) => {
                self.budget.end(None);
                Err(self.failure(error, guard))
            }
        }
    }

    fn failure(&self, error: Error, guard: &Guard) -> Failure {
        Failure { names: guard.names().cloned().collect(), excess: self.budget.excess(), range: None, error }
    }

    fn environment(&self) -> Environment<'static> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_syntax(syntax());
        functions::provide(&mut environment, &self.budget);
        let budget = Arc::clone(&self.budget);
        environment.set_formatter(move |output, state, value| {
            budget.print(budget.count(value)?)?;
            // As YAML and shells write it, not as Python does.
            match value.kind() {
                ValueKind::Bool => output.write_str(if value.is_true() { "true" } else { "false" }).map_err(Into::into),
                _ => minijinja::escape_formatter(output, state, value),
            }
        });
        environment
    }

    /// Names of the functions that templates have.
    pub(super) fn functions() -> [&'static str; 2] {
        ["dict", "range"]
    }
}
