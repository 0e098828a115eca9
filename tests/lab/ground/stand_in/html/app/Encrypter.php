<?php

namespace App;

use Illuminate\Contracts\Encryption\DecryptException;
use Illuminate\Encryption\Encrypter as Laravels;

/** Laravel's own, which also reads what earlier keys have written, as it does from version 11 on (APP_PREVIOUS_KEYS). */
class Encrypter extends Laravels
{
    private array $previous;

    public function __construct(string $key, string $cipher, array $previous)
    {
        parent::__construct($key, $cipher);
        $this->previous = array_map(fn (string $each) => new Laravels($each, $cipher), $previous);
    }

    public function decrypt($payload, $unserialize = true)
    {
        try {
            return parent::decrypt($payload, $unserialize);
        } catch (DecryptException $first) {
            foreach ($this->previous as $earlier) {
                try {
                    return $earlier->decrypt($payload, $unserialize);
                } catch (DecryptException) {
                    continue;
                }
            }
            throw $first;
        }
    }
}
