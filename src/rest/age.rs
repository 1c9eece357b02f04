//! An age that a rule may name.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// In years: where the age bands of accounts meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i16")]
pub(super) struct Age(i16);

const AGES: [i16; 3] = [13, 16, 18];

impl Age {
    pub(super) fn of(years: i16) -> Option<Age> {
        AGES.contains(&years).then_some(Age(years))
    }

    pub(super) fn years(self) -> i16 {
        self.0
    }
}

impl TryFrom<i64> for Age {
    type Error = &'static str;

    fn try_from(years: i64) -> Result<Age, Self::Error> {
        i16::try_from(years).ok().and_then(Age::of).ok_or("another age, expected 13, 16 or 18")
    }
}

impl From<Age> for i16 {
    fn from(age: Age) -> i16 {
        age.years()
    }
}

impl PartialSchema for Age {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .enum_values(Some(AGES))
            .description(Some("An age in years"))
            .into()
    }
}

impl ToSchema for Age {
    fn name() -> Cow<'static, str> {
        "Age".into()
    }
}
