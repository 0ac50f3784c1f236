"""Statistics of groups, column by column: intervals of means, effects of pairs, tests of heads, adjusted p values.

Numbers in, numbers out; what is compared with what is decided above.
"""
