-- Short words for the calls that the lists of sentences expect. `now` is Tuesday, 24 November 2026,
-- 10:00.
local calls = {}

local YEAR = 2026

calls.now = { year = YEAR, month = 11, day = 24, hour = 10, min = 0, sec = 0, wday = 2 }

function calls.day(month, date, year)
  return { year = year or YEAR, month = month, day = date }
end

function calls.at(month, date, hour, min, sec)
  return { year = YEAR, month = month, day = date, hour = hour, min = min or 0, sec = sec }
end

function calls.next_year(month, date, hour, min)
  return { year = YEAR + 1, month = month, day = date, hour = hour, min = hour and (min or 0) }
end

local function with(args, more)
  for name, value in pairs(more or {}) do
    args[name] = value
  end
  return args
end

function calls.add(title, more)
  return { tool = "add_task", args = with({ title = title }, more) }
end

function calls.list(args)
  return { tool = "list_tasks", args = args or {} }
end

function calls.due(args)
  return calls.list(with({ sort = "due_date", order = "asc" }, args))
end

---Tasks that are due from one day up to before another.
function calls.between(first, last, more)
  return calls.due(with({ due_after = first and calls.at(first[1], first[2], 0),
    due_before = last and calls.at(last[1], last[2], 0), status = "active" }, more))
end

function calls.words(text)
  return { words = text }
end

-- A string names a task by its words, a number by its place.
local function match_of(match)
  return type(match) == "string" and { words = match } or type(match) == "number"
    and { number = match } or match
end

function calls.all(filter)
  return { all = true, filter = filter or {} }
end

function calls.complete(match)
  return { tool = "complete_task", args = { match = match_of(match) } }
end

function calls.delete(match)
  return { tool = "delete_task", args = { match = match_of(match) } }
end

function calls.update(match, changes)
  return { tool = "update_task", args = { match = match_of(match), changes = changes } }
end

---A look at one task, or at one field of it.
function calls.detail(match, field)
  return { tool = "get_task", args = { match = match_of(match), field = field } }
end

function calls.talk(kind)
  return { tool = "talk", args = { kind = kind } }
end

function calls.shift(count, unit)
  return { due_shift = { count = count, unit = unit } }
end

function calls.question(kind)
  return { question = kind }
end

calls.undo = { tool = "undo", args = {} }
calls.help = { tool = "help", args = {} }
calls.yes = { tool = "answer_yes", args = {} }
calls.no = { tool = "answer_no", args = {} }

function calls.pick(args)
  return { tool = "pick", args = args }
end

calls.LAST = { last = true }
calls.CLEAR = "\127"
calls.WEEKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
calls.TODAY, calls.TOMORROW = { { 11, 24 }, { 11, 25 } }, { { 11, 25 }, { 11, 26 } }
calls.THIS_WEEK, calls.NEXT_WEEK = { { 11, 23 }, { 11, 30 } }, { { 11, 30 }, { 12, 7 } }
calls.WEEKEND = { { 11, 28 }, { 11, 30 } }

---A filter of the days between two of the spans above.
function calls.span(of)
  return { due_after = calls.at(of[1][1], of[1][2], 0), due_before = calls.at(of[2][1], of[2][2], 0),
    status = "active", sort = "due_date", order = "asc" }
end

return calls
