"""The prompts, as text in which {problem} stands for the problem."""

R1_ZERO = """\
A conversation between User and Assistant. The User asks a question, and the Assistant solves it. \
The Assistant first thinks about the reasoning process in the mind and then provides the User with \
the answer. The reasoning process is enclosed within <think> </think> and answer is enclosed within\
 <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think> <answer> \
answer here </answer>.
User: {problem}
Assistant: <think>"""
"""DeepSeek-R1-Zero's template (arXiv 2501.12948, table 1), as the paper's measure uses it."""

SUM = "{problem}\n<think>"
"""For a model that has seen nothing but sums."""
