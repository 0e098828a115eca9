<?php

/** The options of `docker run` that Coolify keeps (its own function does more with the values). */
function convertDockerRunToCompose(?string $custom_docker_run_options = null)
{
    preg_match_all('/(--\w+(?:-\w+)*)(?:\s|=)?([^\s-]+)?/', $custom_docker_run_options, $matches, PREG_SET_ORDER);
    $mapping = collect([
        '--cap-add' => 'cap_add',
        '--cap-drop' => 'cap_drop',
        '--security-opt' => 'security_opt',
        '--sysctl' => 'sysctls',
        '--device' => 'devices',
        '--init' => 'init',
        '--ulimit' => 'ulimits',
        '--privileged' => 'privileged',
        '--ip' => 'ip',
        '--ip6' => 'ip6',
        '--shm-size' => 'shm_size',
        '--dns' => 'dns',
        '--gpus' => 'gpus',
        '--hostname' => 'hostname',
        '--entrypoint' => 'entrypoint',
    ]);
    $compose_options = collect([]);
    foreach ($matches as $match) {
        if (! data_get($mapping, $match[1])) {
            continue;
        }
        $compose_options->put($mapping[$match[1]], $match[2] ?? true);
    }

    return $compose_options->toArray();
}
