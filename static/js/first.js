// Runs before anything is drawn, so that neither the theme nor the sign-in form flashes by.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("fynq.theme");
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    if (localStorage.getItem("fynq.account")) root.dataset.known = "yes";
  } catch {
    // No storage: the page looks as the system does, and asks who is there.
  }
})();
