/**
 * One turn of the JavaScript event loop: timers, sockets and every microtask get their chance before `callback` runs.
 * Node has setImmediate; a browser's cheapest equal is a message to oneself (setTimeout is clamped to 4 ms).
 */
export type PostTurn = (callback: () => void) => void;

export function createPostTurn(): PostTurn {
  if (typeof setImmediate === "function") return (callback) => void setImmediate(callback);
  const queue: (() => void)[] = [];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => queue.shift()?.();
  return (callback) => {
    queue.push(callback);
    channel.port2.postMessage(0);
  };
}
