<?php

namespace App\Models;

use Illuminate\Database\Eloquent\Model;

class PrivateKey extends Model
{
    protected $guarded = [];

    protected $casts = ['private_key' => 'encrypted'];
}
