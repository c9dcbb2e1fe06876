// The page in each of its views, with what somebody might really have in it: for looking at, and for what examines it.
import { FAILED_CALLS, PHONE, addTask, checkbox, connection, dialog, live, newUser, noonDate, noonZone, openDetails, row, shows, toast } from "./support.mjs";

/** A user with a week of tasks. */
export async function someone() {
  const user = newUser();
  const tasks = [
    { title: "Send the tax papers to Ms Hofer", due_date: noonDate(-2, 17), priority: "high", tags: ["money"] },
    { title: "Call the dentist", due_date: noonDate(-1, 10), tags: ["health"] },
    { title: "Pick up Lena from swimming", due_date: noonDate(0, 16, 30), tags: ["family"], reminder_offset_minutes: 30 },
    { title: "Standup", due_date: noonDate(1, 9, 30), tags: ["work"], recurrence_rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR" },
    { title: "Review Sarah’s proposal for the new onboarding, and write down what the support team should ask for before it is decided",
      due_date: noonDate(1, 14), priority: "high", tags: ["work", "q1-planning"], description: "Pages 4 to 9 matter most." },
    { title: "Buy bread, olives and something for Friday", tags: ["home"], due_date: noonDate(2, 18) },
    { title: "Water the plants", due_date: noonDate(3, 8), recurrence_rule: "INTERVAL:3", tags: ["home"], priority: "low" },
    { title: "Rent", due_date: noonDate(9, 9), recurrence_rule: "MONTHLY", tags: ["money"], reminder_offset_minutes: 1440 },
    { title: "Book the train to Trieste", due_date: noonDate(20, 12), tags: ["travel"] },
    { title: "Read “The Left Hand of Darkness”", priority: "low" },
    { title: "Fix the bicycle’s rear light", tags: ["home"], status: "in_progress" },
  ];
  for (const task of tasks) await user.add(task);
  for (const title of ["Return the library books", "Order new glasses"]) {
    const task = await user.add({ title, tags: ["home"] });
    await user.call("PATCH", `/api/tasks/${task.id}/complete`);
  }
  for (const message of ["what is due tomorrow?", "Add dinner with Tom on saturday at 7pm #friends", "make it high priority"]) {
    await user.call("POST", `/api/${user.name}/chat`, { message, timezone: noonZone() });
  }
  return user;
}

const pressChat = async (page) => {
  const tab = page.getByRole("button", { name: "Chat", exact: true });
  if (await tab.isVisible()) await tab.click();
  await page.locator("#chat-log .said").first().waitFor();
};

const FIRST = "Call the dentist";

/** Name -> how to come there from the list. */
export const SCENES = {
  list: (page) => shows(page, FIRST),
  filtered: async (page) => {
    await page.evaluate(() => { location.hash = "#/tag/home"; });
    await page.getByRole("heading", { name: "#home" }).waitFor();
  },
  completed: async (page) => {
    await page.evaluate(() => { location.hash = "#/completed"; });
    await shows(page, "Order new glasses");
  },
  nothing: async (page) => {
    await page.getByRole("searchbox", { name: "Search" }).fill("no such thing");
    await page.getByText("Nothing matches").waitFor();
  },
  preview: async (page) => {
    await page.getByRole("textbox", { name: "Add a task" }).fill("Lunch with Ann next wed 1pm #friends high priority");
    await page.locator("#understood .chip").first().waitFor();
  },
  editing: async (page) => {
    await row(page, FIRST).getByRole("button", { name: FIRST, exact: true }).click();
    await page.getByRole("textbox", { name: "Title" }).waitFor();
  },
  chat: pressChat,
  details: (page) => openDetails(page, FIRST),
  "details-more": async (page) => {
    const details = await openDetails(page, FIRST);
    await details.getByText("More", { exact: true }).click();
    await details.getByText("History", { exact: true }).click();
    await details.getByText("Created").waitFor();
  },
  help: async (page) => {
    await page.keyboard.press("?"); // a phone has no button for it
    await dialog(page, "Keyboard shortcuts").waitFor();
  },
  settings: async (page) => {
    await page.getByRole("button", { name: "Settings" }).click();
    await dialog(page, "Settings").getByRole("button", { name: "Create a calendar address" }).waitFor();
  },
  offline: async (page) => {
    await page.context().setOffline(true);
    await connection(page).getByText("Offline").waitFor();
    await addTask(page, "Written on the train");
    await row(page, "Written on the train").locator(".waiting").waitFor();
  },
  undo: async (page) => {
    await checkbox(page, FIRST).click();
    await toast(page, "Completed").waitFor();
  },
};

/** The views without a user's tasks. */
export const EMPTY_SCENES = {
  empty: async (page) => page.getByText("Nothing to do").waitFor(),
};

/** Closes what a scene has opened, and comes back to the list. */
export async function leave(page, home) {
  await page.context().setOffline(false);
  await page.goto("about:blank");
  await page.goto(home);
  await live(page);
}

/** What a scene is looked at on. */
export const SHAPES = [["phone", PHONE], ["desk", undefined]].map(([name, viewport]) => ({
  name, options: { reducedMotion: "reduce", expected: [FAILED_CALLS],
    ...(viewport && { viewport, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }) } }));
