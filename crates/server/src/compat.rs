//! APIs in the formats of other products, so that their clients work unchanged: Context7, OpenAI, Perplexica, and `llms.txt`.

pub(crate) mod context7;
pub(crate) mod llms;
pub(crate) mod openai;
pub(crate) mod perplexica;
