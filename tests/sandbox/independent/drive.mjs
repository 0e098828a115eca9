// Drives a Coolify with a client that nobody here wrote, and prints what it understood as one JSON object.
import { CoolifyClient } from "./node_modules/@masonator/coolify-mcp/dist/lib/coolify-client.js";

const [baseUrl, accessToken, serverUuid] = process.argv.slice(2);
const client = new CoolifyClient({ baseUrl, accessToken });
const seen = {};

const ended = async (uuid) => {
  for (;;) {
    const deployment = await client.getDeployment(uuid, { includeLogs: true });
    if (!["queued", "in_progress"].includes(deployment.status)) return deployment;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const refusal = async (promise) => {
  try {
    await promise;
    return "accepted";
  } catch (error) {
    return { status: error.status, message: error.message };
  }
};

seen.version = (await client.getVersion()).version;
seen.servers = (await client.listServers({ summary: true })).map((server) => [server.name, server.ip]);
seen.domains = (await client.getServerDomains(serverUuid)).flatMap((entry) => entry.domains);
const project = await client.createProject({ name: "independent" });
const place = { project_uuid: project.uuid, server_uuid: serverUuid, environment_name: "production" };
const app = await client.createApplicationPublic({
  ...place,
  git_repository: "https://github.com/example/hello",
  git_branch: "main",
  build_pack: "nixpacks",
  ports_exposes: "3000",
  name: "independent",
  fqdn: "https://independent.s1.example.com",
});
await client.createApplicationEnvVar(app.uuid, { key: "A", value: "1" });
await client.bulkUpdateApplicationEnvVars(app.uuid, { data: [{ key: "A", value: "2" }, { key: "B", value: "3" }] });
seen.envs = (await client.listApplicationEnvVars(app.uuid, { summary: true })).map((row) => row.key).sort();
const environment = (await client.getProject(project.uuid)).environments[0].name;
seen.verified = (await client.verifyApplicationEnvironment(app.uuid, project.uuid, environment)).verified;
const queued = await client.startApplication(app.uuid);
const deployment = await ended(queued.deployment_uuid);
seen.deployment = [deployment.status, deployment.commit.length];
seen.history = (await client.listApplicationDeployments(app.uuid)).deployments?.length;
seen.logs = (await client.getApplicationLogs(app.uuid, 5)).includes("listening");
seen.taken = await refusal(client.createApplicationPublic({ ...place, git_repository: "https://github.com/example/hello",
  git_branch: "main", build_pack: "nixpacks", ports_exposes: "3000", fqdn: "https://independent.s1.example.com" }));
seen.unknown = await refusal(client.updateApplication(app.uuid, { project_uuid: "x" }));
const service = await client.createService({ ...place, name: "compose",
  docker_compose_raw: Buffer.from("services:\n  web:\n    image: nginx\n").toString("base64"), instant_deploy: true });
seen.service = (await client.getService(service.uuid)).name;
seen.found = (await client.diagnoseApplication("independent")).application?.name;
seen.unreachable = (await client.findInfrastructureIssues()).summary.unreachable_servers;
await client.stopApplication(app.uuid);
seen.deleted = (await client.deleteApplication(app.uuid, { deleteVolumes: true })).message;
console.log(JSON.stringify(seen));
