//! Format strings and field lists: what is read of a format string is written back to one that reads the same, and a field list makes a
//! plan, or is refused, and both ways of reading by it agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use visulate::wire::format::Format;
use visulate::wire::layout::Ints;
use visulate::wire::line::LinePlan;
use visulate::wire::plan::Plan;
use visulate::wire::template::{self, Template};
use visulate::wire::value::walk;

fuzz_target!(|data: &[u8]| {
    let (text, payload) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(template) = template::parse(text) {
        assert_eq!(template.literals.len(), template.symbols.len() + 1);
        let again = template::parse(&template.text()).expect("what was written is read");
        assert_eq!(again, template, "written otherwise than read");
        // Whatever a line plan makes of it, it must not fail.
        let _ = LinePlan::new(&template);
    }
    let _ = Template::of_segment(text.as_bytes(), text);
    if Format::new(text, Some(payload)).is_ok() && Format::new(text, None).is_ok() {
        let framings: Vec<_> = text
            .split(',')
            .map(|symbol| match visulate::wire::fields::symbol(symbol) {
                visulate::wire::fields::Symbol::Known(framing) => framing,
                visulate::wire::fields::Symbol::Aggregate => visulate::wire::fields::Framing::Int,
                visulate::wire::fields::Symbol::Unknown => visulate::wire::fields::Framing::Absent,
            })
            .collect();
        let plan = Plan::new(text, &framings);
        if walk(&framings, payload, Ints::Little, |_, _, _| ()).is_some() {
            assert!(plan.fits(payload), "the walk reads what the plan does not");
        }
    }
});
