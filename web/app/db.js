// What this browser keeps of a user: tasks for reading without a network, and changes not yet sent.
// One database a user, so that signing out takes away exactly theirs. Where the browser allows none
// (private windows of some), the page works without.

const NAME = (user) => "todo:" + user;
let open = null;

const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** @param {string} user */
export function use(user) {
  open = new Promise((resolve) => {
    const request = indexedDB.open(NAME(user), 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("tasks", { keyPath: "id" });
      request.result.createObjectStore("ops", { keyPath: "seq" });
    };
    request.onsuccess = () => {
      // Another tab signs out, or a newer page wants another shape.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
}

async function run(store, mode, work) {
  const db = await open;
  if (!db) return undefined;
  try {
    return await work(db.transaction(store, mode).objectStore(store));
  } catch (error) {
    console.warn("IndexedDB:", error); // a full disk, a closed database: the page goes on without
    return undefined;
  }
}

/** @returns {Promise<object[]>} */
export const tasks = async () => await run("tasks", "readonly", (s) => settled(s.getAll())) ?? [];

/** @returns {Promise<object[]>} changes in the order they were made */
export const ops = async () => await run("ops", "readonly", (s) => settled(s.getAll())) ?? [];

/** @param {object} op @returns {Promise<boolean>} whether it is kept */
export const putOp = async (op) => await run("ops", "readwrite", (s) => settled(s.put(op))) !== undefined;

/** @param {string} seq */
export const removeOp = (seq) => run("ops", "readwrite", (s) => settled(s.delete(seq)));

/** @param {string} seq @returns {Promise<boolean>} whether it is not there any more; false where that cannot be told */
export const lacksOp = async (seq) => await run("ops", "readonly", (s) => settled(s.getKey(seq)).then((key) => key ?? null)) === null;

/** @param {object[]} changed @param {string[]} gone @param {boolean} all  nothing else is left */
export function putTasks(changed, gone, all) {
  return run("tasks", "readwrite", (store) => {
    if (all) store.clear();
    gone.forEach((id) => store.delete(id));
    changed.forEach((task) => store.put(task));
  });
}

/** Removes all that is kept of a user. @param {string} user */
export async function forget(user) {
  (await open)?.close();
  open = Promise.resolve(null);
  await settled(indexedDB.deleteDatabase(NAME(user))).catch(() => {});
}
