/** The tests use dockerode as a JavaScript program would. */
declare module "dockerode";
