"""Names that a model may have and that some reader of launch files would take for something else."""

NASTY = (
    "a'; touch PWNED; '", 'b"$(touch PWNED)"', "c`touch PWNED`", "d\ntouch PWNED\n#", "e\r\ntouch PWNED", "f: {x: [1",
    "g$HOME${PATH}$$", "h # comment", "i\\", "j\u2028touch PWNED", "k\x85x", "&anchor", "*alias", "!tag", "null", "1e3",
    "~", "emoji \U0001f600", "\x1b[31mred", "%n %i %%", "{{ .Release.Name }}", "{{`x`}}", '"""', "'''\nimport os\n'''",
    "a\n---\nkind: Secret", "x ; touch PWNED", "${MODEL:?no}", "  spaces  ", "tab\there", "<b>&amp;", "key=value,other",
    "$(HF_TOKEN)", "{{ .Values.x }}", "l' + __import__('os').system('touch PWNED') + '", "x" * 300,
)  # fmt: skip
