"""Text that meeting programs and people write: lines or paragraphs under names."""
