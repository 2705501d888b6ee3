// Shows the anywidgets of a page without a kernel: the page holds their state, script and style included.
(() => {
  const mime = (kind) => `script[type="application/vnd.jupyter.widget-${kind}+json"]`;
  const models = new Map();

  // The part of the Jupyter model that a widget's script uses; nobody is at the other end of it.
  class Model extends Map {
    handlers = [];
    set(name, value) {
      super.set(name, value);
      for (const [event, handle] of this.handlers ?? []) if (event === `change:${name}`) handle();
      return this;
    }
    on(event, handle) {
      this.handlers.push([event, handle]);
    }
    off(event, handle) {
      this.handlers = this.handlers.filter(([name, one]) => (event && name !== event) || (handle && one !== handle));
    }
    save_changes() {}
    send() {}
  }

  function restore({ state, buffers = [] }) {
    for (const { path, data } of buffers) {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      const place = path.slice(0, -1).reduce((node, key) => node[key], state);
      place[path.at(-1)] = new DataView(bytes.buffer);
    }
    return new Model(Object.entries(state));
  }

  async function show(view, states) {
    const id = JSON.parse(view.textContent).model_id;
    if (states[id]?.model_module !== "anywidget") return;
    if (!models.has(id)) models.set(id, restore(states[id]));
    const model = models.get(id);
    const address = URL.createObjectURL(new Blob([model.get("_esm")], { type: "text/javascript" }));
    const { default: made } = await import(address);
    URL.revokeObjectURL(address);
    const widget = typeof made === "function" ? await made() : made;
    const el = Object.assign(document.createElement("div"), { className: "anywidget" });
    el.append(Object.assign(document.createElement("style"), { textContent: model.get("_css") ?? "" }));
    view.after(el);
    await widget.initialize?.({ model });
    await widget.render({ model, el });
  }

  const state = document.querySelector(mime("state"));
  const { state: states } = JSON.parse(state?.textContent ?? '{"state": {}}');
  for (const view of document.querySelectorAll(mime("view"))) show(view, states);
})();
