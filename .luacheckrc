std = "luajit"
max_line_length = 100
files["spec"] = { std = "luajit+busted" }
files["scripts/meta"] = { ignore = { "212", "211", "241" } }
exclude_files = { "build" }
